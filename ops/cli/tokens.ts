import { CreatedTokens } from '../../connectors/gateway/access/created-tokens.ts'
import type { NewToken, TokenRow } from '../../connectors/gateway/access/stored-token.ts'
import { loadConfig } from '../config/config.ts'
import { environmentToken } from '../inspection/bearer.ts'
import { runningProcess } from '../inspection/open-management.ts'
import { callServer, type Server } from '../inspection/server-call.ts'
import { WaitingAudit } from '../process-log/waiting-audit.ts'
import { exitStatus } from './exit-status.ts'

export interface TokensOptions {
  /** The address of a running process. Default: the process that has the data directory open, else the data directory itself. */
  readonly url?: string
  readonly json: boolean
}

interface NewTokenArguments extends TokensOptions {
  readonly scope: readonly string[]
  /** A digit. Default: no limit. */
  readonly priority?: string
}

/** `waggle tokens create NAME --scope SCOPE…`: prints the secret of a new token. */
export async function createToken(name: string, { scope, priority, ...options }: NewTokenArguments): Promise<number> {
  const made = await (await tokensOf(options)).create(name, scope, priority === undefined ? undefined : Number(priority))
  process.stdout.write(`${options.json ? JSON.stringify(made) : made.token}\n`)
  if (!options.json)
    process.stderr.write(
      'Keep the token: it is not shown again. Clients send the token as Authorization: Bearer TOKEN, commands take the token from WAGGLE_TOKEN.\n',
    )
  return exitStatus.done
}

/** `waggle tokens list`: prints names and scopes of the created tokens. */
export async function listTokens(options: TokensOptions): Promise<number> {
  const rows = await (await tokensOf(options)).list()
  if (options.json) process.stdout.write(`${JSON.stringify(rows)}\n`)
  else if (rows.length === 0) process.stdout.write('No token was created.\n')
  else
    for (const { name, scopes, priority, created_at } of rows)
      process.stdout.write(`${name}  ${[...scopes, ...(priority === undefined ? [] : [`priority:${priority}`])].join(',')}  ${created_at}\n`)
  return exitStatus.done
}

/** `waggle tokens revoke NAME`: revokes a token. */
export async function revokeToken(name: string, options: TokensOptions): Promise<number> {
  await (await tokensOf(options)).revoke(name)
  process.stdout.write(options.json ? `${JSON.stringify({ revoked: name })}\n` : `Revoked ${name}.\n`)
  return exitStatus.done
}

interface TokenCommands {
  create(name: string, scopes: readonly string[], priority: number | undefined): Promise<NewToken>
  list(): Promise<readonly TokenRow[]>
  revoke(name: string): Promise<void>
}

async function tokensOf({ url }: TokensOptions): Promise<TokenCommands> {
  if (url !== undefined) return remoteTokens({ url: url.replace(/\/+$/, ''), token: environmentToken() })
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  const running = await runningProcess(settings)
  if (running !== null) return remoteTokens(running)
  const here = new CreatedTokens(settings.data_dir)
  const audit = new WaitingAudit(settings.data_dir)
  return {
    create: async (name, scopes, priority) => {
      const nowMs = Date.now()
      const made = audit.record({ method: 'POST', path: '/v1/tokens', target: name, status: 201 }, nowMs, () =>
        here.create({ name, scopes, priority, nowMs }),
      )
      if (settings.log === 'kafka') process.stderr.write(ownAlone)
      return made
    },
    list: async () => here.list(),
    revoke: async (name) =>
      audit.record({ method: 'DELETE', path: `/v1/tokens/${name}`, target: '', status: 204 }, Date.now(), () => here.revoke(name)),
  }
}

const ownAlone =
  'No server was asked, so this token is valid at processes with this data directory alone. A token that is created at a server (--url) is valid in the whole cluster.\n'

function remoteTokens(server: Server): TokenCommands {
  return {
    create: async (name, scopes, priority) =>
      (await callServer(server, {
        method: 'POST',
        path: '/v1/tokens',
        body: { name, scopes, ...(priority === undefined ? {} : { priority }) },
      })) as NewToken,
    list: async () => (await callServer(server, { method: 'GET', path: '/v1/tokens' })) as readonly TokenRow[],
    revoke: async (name) => {
      await callServer(server, { method: 'DELETE', path: `/v1/tokens/${encodeURIComponent(name)}` })
    },
  }
}
