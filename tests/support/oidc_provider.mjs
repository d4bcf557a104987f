// An OpenID provider, certified software on a free port: `node oidc_provider.mjs` reads {keys, clients, audience} as JSON
// from standard input, keys being private JWKs and clients a map of ids to secrets, and writes its port. Clients
// get access tokens as JWTs for the audience by their secrets. It ends with its standard input.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.NODE_PATH}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const lines = createInterface({ input: process.stdin });
const asked = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address();
const resource = `https://${asked.audience}`;
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: asked.keys },
  clients: Object.entries(asked.clients).map(([id, secret]) => ({
    client_id: id,
    client_secret: secret,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: "client_secret_post",
    id_token_signed_response_alg: asked.keys[0].alg,
  })),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        scope: "",
        audience: asked.audience,
        accessTokenTTL: 600,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: asked.keys[0].alg, kid: asked.keys[0].kid } },
      }),
    },
  },
});
server.on("request", provider.callback());
process.stdin.on("end", () => process.exit(0));
process.stdout.write(`${port}\n`);
