import { type Command, Option } from 'commander'
import type { CommandGroup } from './command-group.ts'
import { atServer, count, json, onProcess } from './common-options.ts'
import type { ServerOptions } from './server-options.ts'
import type { SentFileOptions } from './swarms.ts'

interface SwarmCommands extends CommandGroup {
  /** The command `bees`. */
  readonly bees: Command
}

/** Adds the commands that manage a running server. Many also exist under the name that the command has in waxctl. */
export function addSwarmCommands({ program, bees, finish }: SwarmCommands): void {
  const swarms = program.command('swarms').description('creates, changes and removes the swarms of a running `waggle serve`')
  const accept = (what = 'give up state where the new version says so') => new Option('--accept', what).default(false)

  /** Adds a command to its group. Also adds the command under its waxctl name, which the help does not list. */
  const verb = (group: Command, name: string, waxctl: string | null, build: (command: Command) => Command) => {
    const commands = [group.command(name), ...(waxctl === null ? [] : [program.command(waxctl, { hidden: true })])]
    for (const command of commands) build(command).addOption(onProcess()).addOption(json())
  }

  verb(swarms, 'create', 'create-swarm', (command) =>
    command
      .argument('<file>', 'swarm file')
      .addOption(atServer())
      .description('starts a swarm, and returns when it is ready')
      .addHelpText(
        'after',
        examples(
          'waggle swarms create swarms/hello-world/swarm.yaml',
          'waggle swarms create swarm.yaml --url http://10.0.0.5:8080 --directory swarms/hello-world',
        ),
      )
      .action(async (file: string, options: SentFileOptions) => finish(await (await import('./swarms.ts')).createSwarm(file, options))),
  )
  verb(swarms, 'apply', null, (command) =>
    command
      .requiredOption('-f, --file <file...>', 'swarm files')
      .addOption(atServer())
      .addOption(accept())
      .option('--reload', 'make a new version of an unchanged swarm too, so that edited data and programs are loaded', false)
      .description('creates or updates swarms; a swarm whose file and files of code are as the server has them stays as it is')
      .addHelpText(
        'after',
        examples('waggle swarms apply -f swarm.yaml', 'waggle swarms apply -f a.yaml b.yaml --json', 'waggle swarms apply --reload -f swarm.yaml'),
      )
      .action(async ({ file, ...options }: SentFileOptions & { file: string[]; accept: boolean; reload: boolean }) =>
        finish(await (await import('./swarms.ts')).applySwarms(file, options)),
      ),
  )
  verb(swarms, 'list', 'list-swarms', (command) =>
    command
      .description('names them, with their states and gateways')
      .addHelpText('after', examples('waggle swarms list', 'waggle swarms list --json'))
      .action(async (options: ServerOptions) => finish(await (await import('./swarms.ts')).listSwarms(options))),
  )
  verb(swarms, 'get', 'get-swarm', (command) =>
    command
      .argument('<swarm>', 'name of the swarm')
      .description('shows one with its versions and its text')
      .addHelpText('after', examples('waggle swarms get hello-world'))
      .action(async (name: string, options: ServerOptions) => finish(await (await import('./swarms.ts')).getSwarm(name, options))),
  )
  verb(swarms, 'delete', 'delete-swarm', (command) =>
    command
      .argument('<swarm>', 'name of the swarm')
      .option('--purge', 'delete its topics and its state too', false)
      .description('stops a swarm when it has finished its requests, and forgets it')
      .addHelpText('after', examples('waggle swarms delete hello-world', 'waggle swarms delete hello-world --purge'))
      .action(async (name: string, options: ServerOptions & { purge: boolean }) =>
        finish(await (await import('./swarms.ts')).deleteSwarm(name, options)),
      ),
  )
  for (const [name, description] of [
    ['pause', 'stops a swarm and keeps it; its gateways answer 503'],
    ['resume', 'starts a paused swarm, or one that failed to start'],
  ] as const) {
    verb(swarms, name, `${name}-swarm`, (command) =>
      command
        .argument('<swarm>', 'name of the swarm')
        .description(description)
        .addHelpText('after', examples(`waggle swarms ${name} hello-world`))
        .action(async (swarm: string, options: ServerOptions) => finish(await (await import('./swarms.ts')).switchSwarm(swarm, name, options))),
    )
  }
  verb(swarms, 'rollback', null, (command) =>
    command
      .argument('<swarm>', 'name of the swarm')
      .option('--to <version>', 'which version; default: the one before the current one', count)
      .addOption(accept('give up state, and run files that are not as that version had them'))
      .description('makes an earlier version the newest one; only its text comes back, not its files')
      .addHelpText('after', examples('waggle swarms rollback hello-world', 'waggle swarms rollback hello-world --to 3'))
      .action(async (name: string, options: ServerOptions & { to?: number; accept: boolean }) =>
        finish(await (await import('./swarms.ts')).rollbackSwarm(name, options)),
      ),
  )
  verb(bees, 'list', 'list-bees', (command) =>
    command
      .argument('[swarm]', 'name of a swarm; default: all')
      .description('shows the bees of a running server, with the counts of their calls')
      .addHelpText('after', examples('waggle bees list', 'waggle bees list hello-world'))
      .action(async (swarm: string | undefined, options: ServerOptions) =>
        finish(await (await import('./bees.ts')).listBees(swarm ?? null, options)),
      ),
  )
  verb(bees, 'get', 'get-bee', (command) =>
    command
      .argument('<swarm>', 'name of the swarm')
      .argument('<bee>', 'name of the bee')
      .description('shows one bee')
      .addHelpText('after', examples('waggle bees get hello-world greet'))
      .action(async (swarm: string, bee: string, options: ServerOptions) => finish(await (await import('./bees.ts')).getBee(swarm, bee, options))),
  )
  verb(bees, 'logs', 'get-bee-logs', (command) =>
    command
      .argument('<swarm>', 'name of the swarm')
      .argument('<bee>', 'name of the bee')
      .option('-f, --follow', 'print lines as they come, until Ctrl-C', false)
      .description('prints the last lines of a bee in the log of the server')
      .addHelpText('after', examples('waggle bees logs hello-world greet', 'waggle bees logs hello-world greet -f'))
      .action(async (swarm: string, bee: string, options: ServerOptions & { follow: boolean }) =>
        finish(await (await import('./bees.ts')).beeLogs(swarm, bee, options)),
      ),
  )
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`
}
