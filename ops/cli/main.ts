import { dirname } from 'node:path'
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { ownManifest, ownPackage, serveOwnPackage } from '../../topology/own-package.ts'
import { settings } from '../config/settings.ts'
import { refuseUnknownVariables } from '../config/unknown-variables.ts'
import { onBrokenPipe } from './broken-pipe.ts'
import { atServer, count, json, onLog, onProcess } from './common-options.ts'
import { nameKinds, shells } from './completion.ts'
import { addCredentialCommands } from './credential-commands.ts'
import { exitStatus, reportError } from './exit-status.ts'
import { addLogCommands } from './log-commands.ts'
import { addModelCommands } from './model-commands.ts'
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

addLogCommands({ program, finish })

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

addSwarmCommands({ program, bees, finish })

addModelCommands({ program, finish })
addCredentialCommands({ program, finish })

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
