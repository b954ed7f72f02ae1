import { dirname } from 'node:path'
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { ownManifest, ownPackage, serveOwnPackage } from '../../topology/own-package.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { settings } from '../config/settings.ts'
import { refuseUnknownVariables, urlVariable } from '../config/unknown-variables.ts'
import { onBrokenPipe } from './broken-pipe.ts'
import { nameKinds, shells } from './completion.ts'
import { exitStatus, reportError } from './exit-status.ts'
import { addProfileOption, useProfile } from './server-profiles.ts'
import { addSwarmCommands } from './swarm-commands.ts'
import { addExamples, helpText } from './verb-examples.ts'

/** The command `waggle`. Each command loads its own modules, so that `--help` prints at once. */
export const program = new Command('waggle')
  .description('Runs machine-learning swarms as stateful stream processing.')
  .version(ownPackage.version)
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(--help shows what there is)')
  .addHelpText('after', () => `\nPages that messages name, such as docs/errors.md, are in ${dirname(ownManifest)}.`)

program.hook('preAction', (_, command) => {
  refuseUnknownVariables(process.env)
  useProfile(command)
})

const json = () => new Option('--json', 'print JSON, for programs').default(false)
const atServer = () => new Option('--directory <path>', 'where relative paths of the swarm begin at the server; default: the folder of the file')
const onProcess = () => new Option('--url <url>', 'where a process runs; default: that which has the data directory open').env(urlVariable)

program
  .command('run')
  .argument('<file...>', 'swarm files')
  .description('runs swarms in the foreground, with gateway and embedded parts')
  .addOption(new Option('--log <log>', 'which log to run on, before WAGGLE_LOG').choices(['embedded', 'kafka']))
  .option('--bees <names>', 'on Kafka: the only bees that run in this process, with commas between them, before WAGGLE_BEES')
  .option('--accept-loss', 'on a damaged embedded log: go on with what is left, and list what is gone', false)
  .addOption(json())
  .addHelpText('after', settingsHelp())
  .action(async (files: string[], options: import('./run.ts').RunOptions) => finish(await (await import('./run.ts')).run(files, options)))

program
  .command('config')
  .argument('[file]', 'swarm file, beside which waggle.yaml may lie; default: the working directory')
  .description('prints each setting with its value and where it comes from; secrets are hidden')
  .addOption(json())
  .action(async (file: string | undefined, options: { json: boolean }) => finish((await import('./config.ts')).config(file ?? null, options)))

program
  .command('serve')
  .description('runs the swarms that `waggle swarms create` or the API gives it; they are there again after a restart')
  .addOption(new Option('--log <log>', 'which log to run on, before WAGGLE_LOG').choices(['embedded', 'kafka']))
  .option('--bees <names>', 'on Kafka: the only bees that run in this process, with commas between them, before WAGGLE_BEES')
  .option('--accept-loss', 'on a damaged embedded log: go on with what is left, and list what is gone', false)
  .addOption(json())
  .addHelpText('after', settingsHelp())
  .action(async (options: import('./run.ts').RunOptions) => finish(await (await import('./serve.ts')).serve(options)))

program
  .command('dev')
  .argument('[file]', 'swarm file', 'swarm.yaml')
  .description('runs a swarm while you edit it: each save is an update, its state stays, and mistakes are shown')
  .addOption(json())
  .addHelpText('after', helpText(['waggle dev', 'waggle dev swarms/hello-world/swarm.yaml']))
  .action(async (file: string, options: { json: boolean }) => finish(await (await import('./dev.ts')).dev(file, options)))

program
  .command('validate')
  .argument('<file...>', 'swarm files')
  .description('checks swarm files and names every mistake')
  .addOption(json())
  .action(async (files: string[], options: { json: boolean }) => finish(await (await import('./validate.ts')).validate(files, options)))

program
  .command('plan')
  .argument('<file>', 'swarm file')
  .description('shows bees, sub-topologies, topics and stores, where the swarm was cut and why')
  .addOption(new Option('--format <format>', 'how').choices(['text', 'json', 'mermaid']).default('text'))
  .option('--diff', 'in place of the plan: what the file would change in the swarm that runs', false)
  .option('--steps', 'loads the modules with steps of the DSL, and shows the stores and topics of the steps too', false)
  .addOption(atServer())
  .addOption(onProcess())
  .addOption(json())
  .action(
    async (file: string, options: import('./swarms.ts').SentFileOptions & { format: 'text' | 'json' | 'mermaid'; diff: boolean; steps: boolean }) => {
      const { format, diff, steps, ...onServer } = options
      finish(
        diff
          ? await (await import('./swarms.ts')).compareSwarm(file, onServer)
          : await (await import('./plan.ts')).plan(file, { format: options.json ? 'json' : format, steps }),
      )
    },
  )

program
  .command('schema')
  .description('prints the JSON Schema of swarm files, for editors')
  .action(async () => finish((await import('./schema.ts')).schema()))

program
  .command('init')
  .argument('<dir>', 'a folder that is new or empty')
  .description('writes a project of your own: package.json, a swarm or a program, a test, README')
  .addOption(new Option('--template <template>', 'what to begin with').choices(['hello', 'teddy', 'python', 'streams']).default('hello'))
  .addOption(json())
  .action(async (directory: string, options: import('./init.ts').InitOptions) => finish((await import('./init.ts')).init(directory, options)))

program
  .command('import')
  .argument('<file>', 'config.pbtxt of a Triton ensemble, Pipeline of Seldon Core 2, or InferenceGraph of KServe')
  .description('prints another system’s graph as a swarm file, and names each part that has no equal')
  .option('--output <file>', 'a new file for the swarm; default: standard output')
  .addOption(json())
  .action(async (file: string, options: import('./import.ts').ImportOptions) => finish((await import('./import.ts')).importFile(file, options)))

const onLog = () => new Option('--log <log>', 'which log, before WAGGLE_LOG').choices(['embedded', 'kafka'])

program
  .command('reset')
  .argument('[file]', 'swarm file')
  .description('deletes the topics, positions and stores of a swarm or a DSL program, so that it begins anew; rows in ClickHouse stay')
  .option('--force', 'do it', false)
  .option('--dry-run', 'only list what would be deleted', false)
  .option('--application <id>', 'in place of a file: the id of a DSL program; its input and output topics stay, and are read again')
  .option('--reader <group>', 'on the embedded log, in place of a file: only the positions of this reader, which keeps records from being deleted')
  .option('--gateways', 'on Kafka: the topics of its gateways too; else they are read again from their beginning', false)
  .addOption(onLog())
  .addOption(json())
  .action(async (file: string | undefined, options: import('./reset.ts').ResetOptions) =>
    finish(await (await import('./reset.ts')).reset(file ?? null, options)),
  )

const count = (text: string) => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is a whole number above 0.')
}

program
  .command('backup')
  .argument('<dir>', 'a directory that is new or empty, best on another disk')
  .description('copies the data directory, also while its process runs: log, state, rows, definitions, tokens and secrets')
  .addOption(onProcess())
  .addOption(json())
  .addHelpText('after', helpText(['waggle backup /backups/$(date +%F)']))
  .action(async (directory: string, options: import('./server-options.ts').ServerOptions) =>
    finish(await (await import('./backup.ts')).backup(directory, options)),
  )

program
  .command('restore')
  .argument('<dir>', 'a directory that `waggle backup` wrote')
  .description('makes the data directory of a backup; it must be new or empty')
  .addOption(json())
  .addHelpText('after', helpText(['WAGGLE_DATA_DIR=restored waggle restore /backups/2026-11-30']))
  .action(async (directory: string, options: { json: boolean }) => finish(await (await import('./backup.ts')).restore(directory, options)))

program
  .command('migrate')
  .argument('[file...]', 'swarm files of `waggle run`; the swarms of `waggle serve` are in the log')
  .description('copies the embedded log of a process that has stopped to the Kafka cluster of KAFKA_BROKERS: topics, positions and state')
  .addOption(json())
  .addHelpText('after', helpText(['KAFKA_BROKERS=kafka:9092 waggle migrate']))
  .action(async (files: string[], options: { json: boolean }) => finish(await (await import('./migrate.ts')).migrateLog(files, options)))

const topics = program.command('topics').description('looks at the topics of the log: of a running process, or of the data directory where none runs')
topics
  .command('list')
  .description('names them, with their partitions and how many records they hold')
  .addOption(onLog())
  .addOption(onProcess())
  .addOption(json())
  .action(async (options: import('./topics.ts').LogOptions) => finish(await (await import('./topics.ts')).listTopics(options)))
topics
  .command('tail')
  .argument('<topic>', 'name of the topic')
  .description('prints its records as they come, decoded, until Ctrl-C')
  .option('--from-beginning', 'those that are there too', false)
  .option('--max <count>', 'ends after so many', count)
  .addOption(onLog())
  .addOption(onProcess())
  .addOption(json())
  .action(async (topic: string, { max, ...options }: import('./topics.ts').LogOptions & { fromBeginning: boolean; max?: number }) =>
    finish(await (await import('./topics.ts')).tailTopic(topic, { ...options, max: max ?? null })),
  )

program
  .command('trace')
  .argument('<request-id>', 'as the header X-Request-Id names it')
  .description('shows the way of one request: each step with its place on the log, its times and its batch')
  .addOption(onLog())
  .addOption(onProcess())
  .addOption(json())
  .action(async (id: string, options: import('./topics.ts').LogOptions) => finish(await (await import('./trace.ts')).traceRequest(id, options)))

const time = (text: string) => {
  const at = /^\d{1,15}$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(at)) return at
  throw new InvalidArgumentError('It is a time in ISO 8601 or in milliseconds since 1970.')
}
program
  .command('requests')
  .description('finds requests of a running process')
  .command('list')
  .description('names them with their state and times, the newest first')
  .option('--swarm <swarm>', 'of one swarm')
  .option('--gateway <name>', 'of one gateway')
  .addOption(new Option('--state <state>', 'by their outcome').choices(['pending', 'answered', 'failed']))
  .option('--key <key>', 'by their Idempotency-Key, or the key of their record on the topic of an entrance')
  .option('--from <time>', 'accepted then or later', time)
  .option('--to <time>', 'accepted then or earlier', time)
  .option('--after <cursor>', 'those behind this place')
  .option('--max <count>', 'so many at most', count, 20)
  .addOption(onProcess())
  .addOption(json())
  .action(async (options: import('./requests.ts').RequestsOptions) => finish(await (await import('./requests.ts')).listRequests(options)))

program
  .command('sql')
  .argument('<query>', 'one statement for ClickHouse; - reads it from standard input')
  .description('asks the ClickHouse of a running process, or of the data directory where none runs, and prints a table')
  .option('--max <count>', 'so many rows at most', count, 1000)
  .addOption(onProcess())
  .addOption(json())
  .addHelpText('after', helpText(["waggle sql 'SELECT * FROM inferences_by_hour ORDER BY hour DESC LIMIT 10'"]))
  .action(async (query: string, options: import('./sql.ts').SqlOptions) => finish(await (await import('./sql.ts')).sql(query, options)))
const profileSeconds = (text: string) => {
  if (/^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 60) return Number(text)
  throw new InvalidArgumentError('It is a whole number from 1 to 60.')
}
program
  .command('profile')
  .description('profiles a running process, and writes a .cpuprofile and a .heapprofile of each thread; shows the time at each bee')
  .option('--seconds <seconds>', 'how long', profileSeconds, 10)
  .option('--output <dir>', 'a folder for the files; default: waggle-profile-TIME')
  .addOption(onProcess())
  .addOption(json())
  .action(async (options: import('./process-profile.ts').ProfileOptions) =>
    finish(await (await import('./process-profile.ts')).profileProcess(options)),
  )

program
  .command('log-level')
  .argument('[levels]', 'as in WAGGLE_LOG_LEVEL: debug, info, warn or error, module=level, several with commas')
  .description('shows the levels of a running process’s log, or changes them until it reads its settings again')
  .addOption(onProcess())
  .addOption(json())
  .action(async (levels: string | undefined, options: { url?: string; json: boolean }) =>
    finish(await (await import('./log-level.ts')).logLevel(levels ?? null, options)),
  )

const deadLetters = program.command('dead-letters').description('looks at inputs that failed, and sends them again')
deadLetters
  .command('list')
  .description('shows bee, cause and content of each, the newest first')
  .option('--swarm <swarm>', 'of one swarm')
  .option('--cause <code>', 'with this error code, such as WAGGLE_BEE_FAILED')
  .addOption(new Option('--topic <name>', 'of a program of the DSL, by its deadLetterTopic').conflicts(['swarm', 'after']))
  .option('--max <count>', 'so many at most', count, 100)
  .option('--after <id>', 'those behind this one')
  .addOption(onLog())
  .addOption(onProcess())
  .addOption(json())
  .action(async (options: import('./topics.ts').LogOptions & { swarm?: string; cause?: string; topic?: string; max: number; after?: string }) =>
    finish(await (await import('./dead-letters.ts')).listDeadLetters(options)),
  )
deadLetters
  .command('show')
  .argument('<id>', 'as the list names it')
  .description('shows one with all of its content')
  .addOption(onLog())
  .addOption(onProcess())
  .addOption(json())
  .action(async (id: string, options: import('./topics.ts').LogOptions) =>
    finish(await (await import('./dead-letters.ts')).showDeadLetter(id, options)),
  )
for (const [verb, description] of [
  ['retry', 'sends its input again, and takes it out of the list'],
  ['discard', 'takes it out of the list'],
] as const) {
  deadLetters
    .command(verb)
    .argument('[id]', 'as the list names it')
    .description(description)
    .option('--all', 'all of them', false)
    .option('--swarm <swarm>', 'all of one swarm')
    .option('--cause <code>', 'all with this error code')
    .addOption(onLog())
    .addOption(onProcess())
    .addOption(json())
    .action(async (id: string | undefined, { all, ...options }: import('./dead-letters.ts').AllOptions & { all: boolean }) => {
      const { retryDeadLetter, discardDeadLetter, eachDeadLetter } = await import('./dead-letters.ts')
      const isEach = all || options.swarm !== undefined || options.cause !== undefined
      if (isEach === (id !== undefined))
        throw new WaggleError('WAGGLE_USAGE', {
          message: `${verb} needs the id of a dead letter, or --all, --swarm or --cause`,
          next: 'Give one of them.',
        })
      finish(await (id === undefined ? eachDeadLetter(verb, options) : { retry: retryDeadLetter, discard: discardDeadLetter }[verb](id, options)))
    })
}

const jsonValue = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new InvalidArgumentError('It is no JSON.')
  }
}
const bees = program
  .command('bees')
  .description('shows the bee types that a swarm may name, adds and removes types of packages, and checks programs that are bees')
bees
  .command('catalog')
  .argument('[type]', 'a bee type; without it all are listed')
  .description('prints a bee type: its summary, the keys of its spec, examples and delivery guarantee')
  .addOption(json())
  .action(async (type: string | undefined, options: { json: boolean }) =>
    finish((await import('./bees-catalog.ts')).beesCatalog(type ?? null, options)),
  )

bees
  .command('check')
  .argument('<command...>', 'a program that speaks bees/PROTOCOL.md, with its arguments')
  .description('plays a friendly and a hostile swarm to a program, and prints what it does wrong and what to mend')
  .option('--data <json>', 'an input that the bee accepts', jsonValue, {})
  .option('--timeout-seconds <seconds>', 'the time for each result', count, 10)
  .addOption(json())
  .allowUnknownOption()
  .action(async (command: readonly string[], options: import('./bees-check.ts').BeesCheckOptions) =>
    finish(await (await import('./bees-check.ts')).beesCheck(command, options)),
  )

bees
  .command('add')
  .argument('<package>', 'an installed npm package, or a Python package (a wheel, a folder or a name), with the keyword waggle-bee')
  .description('lets a swarm name the bee type of a package, and notes the hash of its files in bees.lock.json')
  .option('--swarm <file>', 'the swarm file beside which the lock file lies', 'swarm.yaml')
  .option('--python', 'take the name from the Python package index')
  .addOption(json())
  .action(async (name: string, options: import('./bees-add.ts').BeesAddOptions) =>
    finish(await (await import('./bees-add.ts')).beesAdd(name, options)),
  )

bees
  .command('remove')
  .argument('<name>', 'a bee type that bees add has added, or a package with all its bee types')
  .description('takes a bee type of a package out of bees.lock.json, unless a swarm file beside it still names the type')
  .option('--swarm <file>', 'the swarm file beside which the lock file lies', 'swarm.yaml')
  .addOption(json())
  .action(async (name: string, options: import('./bees-remove.ts').BeesRemoveOptions) =>
    finish((await import('./bees-remove.ts')).beesRemove(name, options)),
  )

bees
  .command('new')
  .argument('<directory>', 'a folder that is new or empty')
  .description('writes a package of your own with a bee type and its test')
  .option('--python', 'write a Python package')
  .addOption(json())
  .action(async (directory: string, options: { json: boolean; python?: boolean }) =>
    finish((await import('./bees-new.ts')).beesNew(directory, options)),
  )

addSwarmCommands({ program, bees, onProcess, json, atServer, finish })

const models = program.command('models').description('shows the models of a running process, and loads new versions of them')
models
  .command('list')
  .description('names them, with their versions')
  .addOption(onProcess())
  .addOption(json())
  .action(async (options: import('./models.ts').ModelsOptions) => finish(await (await import('./models.ts')).listModels(options)))
models
  .command('get')
  .argument('<bee>', 'name of the bee, or swarm/bee')
  .description('shows one: what runs it and why, its versions, and why one was refused')
  .addOption(onProcess())
  .addOption(json())
  .action(async (bee: string, options: import('./models.ts').ModelsOptions) => finish(await (await import('./models.ts')).getModel(bee, options)))
models
  .command('reload')
  .argument('[bee]', 'name of the bee, or swarm/bee; default: all')
  .description('looks for new versions now, and tries refused ones again')
  .addOption(onProcess())
  .addOption(json())
  .action(async (bee: string | undefined, options: import('./models.ts').ModelsOptions) =>
    finish(await (await import('./models.ts')).reloadModels(bee ?? null, options)),
  )

models
  .command('convert')
  .argument('<file>', 'a SavedModel folder, or a file of TensorFlow (.pb), Keras, scikit-learn, XGBoost or LightGBM')
  .description('writes a model as ONNX, runs both on random input, and prints the difference; a pickled file runs its code')
  .option('--output <file>', 'where to; default: its name with .onnx, in the working directory')
  .option('--with <package...>', 'further packages of Python, or other versions: scikit-learn==1.5.2')
  .addOption(json())
  .action(async (file: string, options: import('./convert-model.ts').ConvertOptions) =>
    finish(await (await import('./convert-model.ts')).convertModel(file, options)),
  )

models
  .command('setup-gpu')
  .description('brings the CUDA and TensorRT providers of onnxruntime, and says which libraries they miss here')
  .option('--check', 'only says what is there')
  .addOption(json())
  .action(async (options: import('./setup-gpu.ts').SetupGpuOptions) => finish(await (await import('./setup-gpu.ts')).setupGpu(options)))

const tokens = program
  .command('tokens')
  .description('creates, lists and revokes bearer tokens: of a running process, or of the data directory where none runs')
tokens
  .command('create')
  .argument('<name>', 'letters, digits, dots, dashes and underscores')
  .requiredOption('--scope <scope...>', 'ask:GATEWAY, ask:*, read or manage')
  .description('creates a token and prints it, this once')
  .addOption(onProcess())
  .addOption(json())
  .action(async (name: string, options: import('./tokens.ts').TokensOptions & { scope: readonly string[] }) =>
    finish(await (await import('./tokens.ts')).createToken(name, options)),
  )
tokens
  .command('list')
  .description('names them, with their scopes')
  .addOption(onProcess())
  .addOption(json())
  .action(async (options: import('./tokens.ts').TokensOptions) => finish(await (await import('./tokens.ts')).listTokens(options)))
tokens
  .command('revoke')
  .argument('<name>', 'as the list names it')
  .description('makes a token invalid at once')
  .addOption(onProcess())
  .addOption(json())
  .action(async (name: string, options: import('./tokens.ts').TokensOptions) =>
    finish(await (await import('./tokens.ts')).revokeToken(name, options)),
  )

const secrets = program
  .command('secrets')
  .description('stores secrets for {{ secrets.NAME }}, encrypted: in a running process, or in the data directory where none runs')
secrets
  .command('set')
  .argument('<name>', 'letters, digits and underscores')
  .description('stores the value that standard input has')
  .addOption(onProcess())
  .addOption(json())
  .action(async (name: string, options: import('./secrets.ts').SecretsOptions) =>
    finish(await (await import('./secrets.ts')).setSecret(name, options)),
  )
secrets
  .command('list')
  .description('names them')
  .addOption(onProcess())
  .addOption(json())
  .action(async (options: import('./secrets.ts').SecretsOptions) => finish(await (await import('./secrets.ts')).listSecrets(options)))
secrets
  .command('delete')
  .argument('<name>', 'as the list names it')
  .description('deletes a stored secret')
  .addOption(onProcess())
  .addOption(json())
  .action(async (name: string, options: import('./secrets.ts').SecretsOptions) =>
    finish(await (await import('./secrets.ts')).deleteSecret(name, options)),
  )

for (const verb of ['request', 'submit'] as const) {
  program
    .command(verb)
    .argument('<gateway>', 'name of the gateway')
    .argument('[file]', 'file to send; - is standard input')
    .description(verb === 'request' ? 'sends an input and waits for the answer' : 'sends an input and prints its request id')
    .option('--data <json>', 'JSON to send')
    .option('--file <path>', 'file to send')
    .option('--content-type <type>', 'of what is sent; default: by the file’s ending')
    .option('--idempotency-key <key>', 'the same key again is the same request')
    .option('--timeout <seconds>', 'deadline of the request')
    .addOption(onProcess())
    .addOption(json())
    .action(async (gateway: string, file: string | undefined, options: Omit<import('./request.ts').RequestOptions, 'verb' | 'gateway'>) =>
      finish(await (await import('./request.ts')).request({ ...(file === undefined ? {} : { file }), ...options, verb, gateway })),
    )
}

program
  .command('top')
  .argument('[swarm]', 'name of a swarm; default: all')
  .description('shows the bees of a running server with their results and failures a second, the busiest first, until Ctrl-C')
  .option('--every <seconds>', 'the time between two looks', count, 1)
  .option('--max <count>', 'ends after so many tables', count)
  .addOption(onProcess())
  .addOption(json())
  .action(async (swarm: string | undefined, { max, ...options }: Omit<import('./top.ts').TopOptions, 'max'> & { max?: number }) =>
    finish(await (await import('./top.ts')).top(swarm ?? null, { ...options, max: max ?? null })),
  )

const servers = program.command('servers').description('keeps the servers that commands talk to, with their tokens, in ~/.config/waggle')
servers
  .command('set')
  .argument('<name>', 'letters, digits, dots, dashes and underscores')
  .requiredOption('--url <url>', 'where the server is')
  .option('--ca <file>', 'PEM file with the authority of its certificate')
  .option('--token-stdin', 'reads its token from standard input', false)
  .description('writes a server under a name, for --profile and WAGGLE_PROFILE')
  .addOption(json())
  .action(async (name: string, options: Parameters<typeof import('./server-profiles.ts').setProfile>[1]) =>
    finish(await (await import('./server-profiles.ts')).setProfile(name, options)),
  )
servers
  .command('list')
  .description('names them, without their tokens')
  .addOption(json())
  .action(async (options: import('./server-profiles.ts').ProfileOptions) => finish((await import('./server-profiles.ts')).listProfiles(options)))
servers
  .command('delete')
  .argument('<name>', 'as the list names it')
  .description('deletes one')
  .addOption(json())
  .action(async (name: string, options: import('./server-profiles.ts').ProfileOptions) =>
    finish((await import('./server-profiles.ts')).deleteProfile(name, options)),
  )

program
  .command('completion')
  .addArgument(new Argument('<shell>', 'the shell').choices(shells))
  .description('prints a script that completes commands and options in a shell')
  .action(async (shell: (typeof shells)[number]) => finish((await import('./completion.ts')).completion(program, shell)))

program
  .command('names', { hidden: true })
  .addArgument(new Argument('<kind>', 'what is named').choices(nameKinds))
  .argument('[swarm]', 'name of a swarm; default: all')
  .description('prints the names that a server has, for completion')
  .addOption(onProcess())
  .addOption(json())
  .action(async (kind: (typeof nameKinds)[number], swarm: string | undefined, options: import('./server-options.ts').ServerOptions) =>
    finish(await (await import('./running-names.ts')).runningNames(kind, swarm ?? null, options)),
  )

addExamples(program)
addProfileOption(program)

if (import.meta.main) {
  serveOwnPackage()
  // If the reader of the output ends, `run`, `serve` and `dev` stop as after SIGTERM. All other commands end soon anyway.
  onBrokenPipe([process.stdout, process.stderr], () => void process.emit('SIGTERM'))
  try {
    await program.parseAsync()
  } catch (thrown) {
    if (thrown instanceof CommanderError) finish(thrown.exitCode === 0 ? exitStatus.done : exitStatus.usage)
    else finish(reportError(thrown, { json: process.argv.includes('--json') }))
  }
}

/** Ends the process even if a failed start has left threads and children behind. */
function finish(status: number): void {
  process.exitCode = status
  if (status !== exitStatus.done || ['run', 'serve', 'dev'].includes(program.args[0] ?? '')) process.exit(status)
}

function settingsHelp(): string {
  const rows = settings.map(
    ({ key, variable, about, default: fallback, defaultOnKafka }) =>
      `  ${variable.padEnd(35)} ${key.padEnd(28)} ${fallback ?? 'none'}${defaultOnKafka === undefined ? '' : ` (on Kafka ${defaultOnKafka ?? 'none'})`}\n      ${about}`,
  )
  return `\nSettings: an environment variable, or its key in waggle.yaml beside the swarm or in the working directory.\n${'  variable'.padEnd(37)} ${'key'.padEnd(28)} default\n${rows.join('\n')}`
}
