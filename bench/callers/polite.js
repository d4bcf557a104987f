// The same client as polite.py, on grpc-js: sends calls at a steady rate, prints what became of them.
const fs = require('node:fs');
const grpc = require('@grpc/grpc-js');

const [address, method, path, first, rate, seconds, config] = process.argv.slice(2);
const content = fs.readFileSync(path);
const bodies = [];
for (let place = 0; place < content.length; ) {
  const end = place + 5 + content.readUInt32BE(place + 1);
  bodies.push(content.subarray(place + 5, end));
  place = end;
}
const count = Math.floor(Number(rate) * Number(seconds));
const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
  'grpc.service_config': fs.readFileSync(config, 'utf8'),
});
const names = Object.fromEntries(Object.entries(grpc.status).map(([name, code]) => [code, name]));
const statuses = {};
const latencies = [];
let sent = 0;
let ended = 0;
const same = (bytes) => bytes;

function send() {
  const began = performance.now();
  client.makeUnaryRequest(method, same, same, bodies[Number(first) + sent], { deadline: Date.now() + 2000 }, (error) => {
    const name = error ? names[error.code] : 'OK';
    statuses[name] = (statuses[name] || 0) + 1;
    if (!error) latencies.push(performance.now() - began);
    ended += 1;
    if (ended === count) {
      client.close();
      process.stdout.write(JSON.stringify({ statuses, latencies_ms: latencies }));
    }
  });
  sent += 1;
}

client.waitForReady(Date.now() + 10000, (error) => {
  if (error) throw error;
  process.stdout.write('ready\n');
  process.stdin.once('data', () => {
    process.stdin.pause();
    const start = performance.now();
    const timer = setInterval(() => {
      while (sent < count && (performance.now() - start) * Number(rate) >= sent * 1000) send();
      if (sent === count) clearInterval(timer);
    }, 1);
  });
});
