// Makes calls with grpc-js: `node grpc_js.js` reads {address, method, count, serviceConfig, request} as JSON from
// standard input, request being base64, and writes how many calls ended with each code.
"use strict";

const grpc = require("@grpc/grpc-js");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const request = Buffer.from(asked.request, "base64");
const bytes = (value) => value;
const client = new grpc.Client(asked.address, grpc.credentials.createInsecure(), {
  "grpc.service_config": asked.serviceConfig,
  "grpc.enable_http_proxy": 0,
});
const codes = {};
let left = asked.count;
for (let number = 0; number < asked.count; number += 1) {
  const deadline = Date.now() + 60_000;
  client.makeUnaryRequest(asked.method, bytes, bytes, request, new grpc.Metadata(), { deadline }, (error) => {
    const code = grpc.status[error ? error.code : grpc.status.OK];
    codes[code] = (codes[code] || 0) + 1;
    left -= 1;
    if (left === 0) {
      process.stdout.write(JSON.stringify(codes));
      client.close();
    }
  });
}
