import { Option } from 'commander'
import type { CommandGroup } from './command-group.ts'
import { json, onProcess } from './common-options.ts'

/** Adds the commands about tokens and secrets. */
export function addCredentialCommands({ program, finish }: CommandGroup): void {
  const tokens = program
    .command('tokens')
    .description('creates, lists and revokes bearer tokens: of a running process, or of the data directory where none runs')
  tokens
    .command('create')
    .argument('<name>', 'letters, digits, dots, dashes and underscores')
    .requiredOption('--scope <scope...>', 'ask:GATEWAY, ask:*, read or manage')
    .addOption(new Option('--priority <digit>', 'the highest priority of its requests; default: 9').choices([...'0123456789']))
    .description('creates a token and prints it, this once')
    .addOption(onProcess())
    .addOption(json())
    .action(async (name: string, options: import('./tokens.ts').TokensOptions & { scope: readonly string[]; priority?: string }) =>
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
}
