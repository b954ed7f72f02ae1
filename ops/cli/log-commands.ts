import { InvalidArgumentError, Option } from 'commander'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { CommandGroup } from './command-group.ts'
import { count, json, onLog, onProcess } from './common-options.ts'
import { helpText } from './verb-examples.ts'

/** Adds the commands that look at the log of a running process or of a data directory: its topics, requests, rows, profiles and dead letters. */
export function addLogCommands({ program, finish }: CommandGroup): void {
  const topics = program
    .command('topics')
    .description('looks at the topics of the log: of a running process, or of the data directory where none runs')
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
  const replayName = (text: string) => {
    if (/^[A-Za-z0-9._-]{1,100}$/.test(text)) return text
    throw new InvalidArgumentError('It has 1 to 100 letters, digits, dots, hyphens and underscores.')
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
    .command('replay')
    .argument('<swarm>', 'its name; the path of its file, where no process runs it')
    .description('runs history again: sends the requests that a swarm had before to it, as new requests')
    .option('--from <time>', 'accepted then or later', time)
    .option('--to <time>', 'accepted then or earlier; default: now', time)
    .option('--all', 'all that the log has, in place of --from', false)
    .option('--gateway <gateway>', 'those of one gateway')
    .option('--name <name>', 'of the replay: under one name each request is sent once; default: a new name', replayName)
    .option('--max <count>', 'so many at most', count)
    .option('--dry-run', 'names them, and sends none', false)
    .addOption(onLog())
    .addOption(onProcess())
    .addOption(json())
    .action(async (swarm: string, options: import('./replay.ts').ReplayCommandOptions) =>
      finish(await (await import('./replay.ts')).replay(swarm, options)),
    )

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
            next: 'Add an id, or one of the options.',
          })
        finish(await (id === undefined ? eachDeadLetter(verb, options) : { retry: retryDeadLetter, discard: discardDeadLetter }[verb](id, options)))
      })
  }
}
