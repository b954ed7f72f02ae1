/** A block of commands, by its page and its beginning. `shown` is a line that it prints; `…` stands for any text. */
export interface TypedBlock {
  readonly page: string
  readonly begins: string
  readonly shown?: string
  readonly isEventual?: boolean
}

/** The id that docs/trace.md shows. */
const failed = '01a22c62-a3ce-78b3-ad54-9f8d7c7a6074'

/** Blocks that are typed one after the other in a clone. The first one may start a program, which then runs in the first terminal. */
export const typedBlocks: { readonly [name: string]: readonly TypedBlock[] } = {
  'the teddy-bear detector': [
    { page: 'README.md', begins: 'npm start', shown: '✔ teddy-bear-detector ready' },
    { page: 'README.md', begins: 'npm run -s waggle -- request teddybear', shown: '{"label":"bear",…}' },
    { page: 'README.md', begins: "curl 'http://127.0.0.1:8123", shown: '…inference-tensorflow…', isEventual: true },
    { page: 'docs/analytics.md', begins: "npm run -s waggle -- sql 'SELECT bee, label", shown: 'inference-pytorch …', isEventual: true },
  ],
  'the smallest swarm': [
    { page: 'docs/swarms.md', begins: 'npm run -s waggle -- run swarms/hello-world', shown: '✔ hello-world ready' },
    { page: 'README.md', begins: "curl -sS -H 'content-type: application/json' -d", shown: '{"greeting":"Hello, bear!"}' },
    { page: 'docs/clients.md', begins: 'printf', shown: '{"index":1,…"status":422…}' },
    { page: 'docs/clients.md', begins: "curl -sSi -H 'ce-specversion", shown: 'ce-type: waggle.answer…' },
    { page: 'docs/clients.md', begins: "curl -sS -H 'content-type: application/cloudevents-batch", shown: '…Hello, Bee!…Hello, Bea!…' },
    { page: 'docs/operations.md', begins: 'npm run -s waggle -- log-level', shown: '…info,svm=debug…' },
    { page: 'docs/trace.md', begins: 'npm run -s waggle -- requests list --state failed', shown: `${failed}…hello-world…failed…` },
    { page: 'docs/trace.md', begins: 'npm run -s waggle -- trace', shown: `${failed}  hello-world, failed, …` },
    { page: 'docs/trace.md', begins: 'curl -sSN', shown: 'event: answer' },
    { page: 'docs/telemetry.md', begins: 'npm run -s waggle -- profile', shown: '…main.cpuprofile…' },
  ],
  'another level of the log': [{ page: 'docs/operations.md', begins: 'WAGGLE_LOG_LEVEL=warn,svm=debug', shown: '✔ hello-world ready' }],
  'a model by the Open Inference Protocol': [
    { page: 'docs/protocols.md', begins: 'npm run -s waggle -- run swarms/iris', shown: '✔ iris ready' },
    { page: 'docs/protocols.md', begins: 'curl -sS http://127.0.0.1:8080/v2/models/iris', shown: '…"datatype":"FP32"…setosa…' },
  ],
  'no process': [
    {
      page: 'README.md',
      begins: 'npm run -s waggle -- validate swarms/hello-world',
      shown: 'swarms/hello-world/swarm.yaml: hello-world, 3 bees, no mistakes',
    },
    { page: 'docs/operations.md', begins: 'source <(npm run -s waggle -- completion bash)' },
    { page: 'docs/access.md', begins: 'npm run -s waggle -- tokens create web', shown: '…ask:teddybear-detector-gateway…' },
    { page: 'docs/security.md', begins: 'openssl rand -base64 32', shown: '…API_KEY…' },
  ],
}
