// Makes one call of each case with grpc-js: `node grpc_js_access.js` reads {address, cases} as JSON from standard input,
// a case being {method, request, authorization}, request base64, and writes for each how it ended: OK, or the
// code and the status in its trailing metadata, base64.
"use strict";

const grpc = require("@grpc/grpc-js");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const bytes = (value) => value;
const client = new grpc.Client(asked.address, grpc.credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });

function outcome({ method, request, authorization }) {
  return new Promise((resolve) => {
    const metadata = new grpc.Metadata();
    if (authorization) metadata.set("authorization", authorization);
    const deadline = Date.now() + 60_000;
    // Of every method alike: on the wire a call of one message is a stream of one.
    const call = client.makeBidiStreamRequest(method, bytes, bytes, metadata, { deadline });
    call.on("data", () => {
      resolve(["OK", ""]);
      call.cancel();
    });
    call.on("error", (error) => {
      const [status] = error.metadata.get("grpc-status-details-bin");
      resolve([grpc.status[error.code], status ? status.toString("base64") : ""]);
    });
    call.write(Buffer.from(request, "base64"));
    call.end();
  });
}

Promise.all(asked.cases.map(outcome)).then((outcomes) => {
  process.stdout.write(JSON.stringify(outcomes));
  client.close();
});
