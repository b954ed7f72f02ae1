import type { Command } from 'commander'

/** Adds examples to the help of each command that the table names. */
export function addExamples(program: Command): void {
  for (const [path, examples] of Object.entries(examplesOf)) {
    const found = path.split(' ').reduce<Command | undefined>((command, name) => command?.commands.find((one) => one.name() === name), program)
    if (found === undefined) throw new TypeError(`There are examples for waggle ${path}, and no such command`)
    found.addHelpText('after', helpText(examples))
  }
}

export function helpText(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`
}

const examplesOf: { readonly [path: string]: readonly string[] } = {
  run: ['waggle run swarm.yaml', 'WAGGLE_HTTP_PORT=9000 waggle run a.yaml b.yaml', 'waggle run swarm.yaml --log kafka'],
  config: ['waggle config', 'waggle config swarms/hello-world/swarm.yaml --json'],
  serve: ['waggle serve', 'WAGGLE_HOST=0.0.0.0 WAGGLE_TOKENS_FILE=tokens.txt waggle serve'],
  validate: ['waggle validate swarm.yaml', 'waggle validate swarms/*/swarm.yaml --json'],
  plan: ['waggle plan swarm.yaml', 'waggle plan swarm.yaml --format mermaid', 'waggle plan --diff swarm.yaml --url http://10.0.0.5:8080'],
  schema: ['waggle schema > swarm.schema.json'],
  init: ['waggle init my-swarm', 'waggle init my-bees --template python'],
  import: ['waggle import config.pbtxt', 'waggle import inference-graph.yaml --output swarm.yaml'],
  reset: ['waggle reset swarm.yaml --dry-run', 'waggle reset swarm.yaml --force', 'waggle reset --application word-count --force'],
  'topics list': ['waggle topics list', 'waggle topics list --json'],
  'topics tail': ['waggle topics tail waggle.gateway.hello', 'waggle topics tail waggle.gateway.hello --from-beginning --max 10 --json'],
  'requests list': ['waggle requests list', 'waggle requests list --swarm hello-world --state failed --max 5 --json'],
  trace: ['waggle trace 0198f3c2-7d51-7c3a-9d53-0242ac120002'],
  replay: [
    'waggle replay hello-world --from 2026-05-01T08:00Z --to 2026-05-01T09:00Z --dry-run',
    'waggle replay hello-world --from 2026-05-01 --gateway hello --name new-model',
    'waggle replay swarms/hello-world/swarm.yaml --all',
  ],
  profile: ['waggle profile', 'waggle profile --seconds 30 --output profiles'],
  'log-level': ['waggle log-level', 'waggle log-level debug'],
  top: ['waggle top', 'waggle top hello-world --every 5', 'waggle top --max 1 --json'],
  'dead-letters list': ['waggle dead-letters list --swarm hello-world', 'waggle dead-letters list --cause WAGGLE_BEE_FAILED --json'],
  'dead-letters show': ['waggle dead-letters show hello-world:0:7'],
  'dead-letters retry': [
    'waggle dead-letters retry hello-world:0:7',
    'waggle dead-letters retry --all --swarm hello-world',
    'waggle dead-letters retry --cause WAGGLE_BEE_TIMEOUT',
  ],
  'dead-letters discard': [
    'waggle dead-letters discard hello-world:0:7',
    'waggle dead-letters discard --all --swarm hello-world --cause WAGGLE_BAD_BODY',
  ],
  'bees catalog': ['waggle bees catalog', 'waggle bees catalog http-call'],
  'bees check': ['waggle bees check python3 ./bee.py', `waggle bees check --data '{"name": "Ada"}' ./bee.sh`],
  'bees add': [
    'waggle bees add waggle-bee-words',
    'waggle bees add waggle-bee-words --swarm swarms/words/swarm.yaml',
    'waggle bees add waggle-bee-tally==1.0 --python',
  ],
  'bees remove': ['waggle bees remove words', 'waggle bees remove waggle-bee-words --swarm swarms/words/swarm.yaml'],
  'bees new': ['waggle bees new waggle-bee-words', 'waggle bees new waggle-bee-tally --python'],
  'models list': ['waggle models list', 'waggle models list --json'],
  'models get': ['waggle models get svm', 'waggle models get teddy-bear-detector/svm'],
  'models reload': ['waggle models reload', 'waggle models reload svm'],
  'models convert': ['waggle models convert saved-model/ --output model.onnx', 'waggle models convert svm.pkl --with scikit-learn==1.5.2'],
  'models setup-gpu': ['waggle models setup-gpu --check', 'waggle models setup-gpu'],
  'tokens create': ['waggle tokens create web --scope ask:hello', 'waggle tokens create ops --scope manage --json'],
  'tokens list': ['waggle tokens list'],
  'tokens revoke': ['waggle tokens revoke web'],
  'secrets set': ['openssl rand -hex 16 | waggle secrets set API_KEY'],
  'secrets list': ['waggle secrets list'],
  'secrets delete': ['waggle secrets delete API_KEY'],
  'servers set': [
    'waggle servers set team --url https://waggle.example:8080 --token-stdin < token.txt',
    'waggle servers set lab --url https://lab:8080 --ca lab-ca.pem',
  ],
  'servers list': ['waggle servers list'],
  'servers delete': ['waggle servers delete team'],
  names: ['waggle names swarms', 'waggle names bees hello-world --json'],
  completion: [
    'waggle completion bash > ~/.local/share/bash-completion/completions/waggle',
    'source <(waggle completion zsh)',
    'waggle completion fish > ~/.config/fish/completions/waggle.fish',
  ],
  request: [
    `waggle request hello --data '{"name": "Ada"}'`,
    'waggle request teddybear-detector-gateway photo.jpg --timeout 5',
    'cat input.json | waggle request hello -',
  ],
  submit: [`waggle submit hello --data '{"name": "Ada"}'`, 'waggle submit teddybear-detector-gateway photo.jpg --idempotency-key photo-7'],
}
