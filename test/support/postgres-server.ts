import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { programOfDebian } from './debian-program.ts'
import { freePort } from './free-port.ts'

/** The folder with initdb and postgres, or the reason why it is not available. */
type PostgresPrograms = { readonly directory: string; readonly env: { readonly [variable: string]: string } } | { readonly missing: string }

/**
 * Finds this machine's PostgreSQL, or else the PostgreSQL of the Debian package, unpacked into a cache. In CI a missing PostgreSQL fails the tests
 * instead of skipping them.
 */
function postgresPrograms(): PostgresPrograms {
  const installed = '/usr/lib/postgresql'
  const versions = existsSync(installed) ? readdirSync(installed).filter((version) => /^\d+$/.test(version)) : []
  const newest = versions.sort((a, b) => Number(a) - Number(b)).at(-1)
  if (newest !== undefined && existsSync(join(installed, newest, 'bin', 'initdb'))) return { directory: join(installed, newest, 'bin'), env: {} }
  const found = programOfDebian('initdb', { package: 'postgresql', asOtherUser: true })
  return 'missing' in found ? found : { directory: dirname(found.program), env: found.env }
}

/** The reason for skipping tests; false if a PostgreSQL can be started, or if CI requires one. */
export function skipsPostgres(): string | false {
  const programs = postgresPrograms()
  return 'missing' in programs && process.env.CI !== 'true' ? programs.missing : false
}

/** A private PostgreSQL server on a free port of the loopback address. Its user is `waggle`, with the password `password`. */
export class PostgresServer {
  readonly port: number
  readonly password = 'hunter2-of-waggle'
  readonly #directory: string
  readonly #programs: Exclude<PostgresPrograms, { readonly missing: string }>
  #process: ReturnType<typeof spawn> | null = null

  private constructor(port: number, directory: string, programs: Exclude<PostgresPrograms, { readonly missing: string }>) {
    this.port = port
    this.#directory = directory
    this.#programs = programs
  }

  static async start(): Promise<PostgresServer> {
    const programs = postgresPrograms()
    if ('missing' in programs) throw new Error(programs.missing)
    const directory = mkdtempSync(join(tmpdir(), 'waggle-postgres-'))
    const server = new PostgresServer(await freePort(), directory, programs)
    const passwordFile = join(directory, 'password')
    writeFileSync(passwordFile, server.password)
    chmodSync(directory, 0o755)
    const { uid, gid } = owner()
    if (uid !== undefined && gid !== undefined) for (const path of [directory, passwordFile]) chownSync(path, uid, gid)
    const made = spawnSync(
      join(programs.directory, 'initdb'),
      ['-D', join(directory, 'data'), '-U', 'waggle', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '--no-sync', '-E', 'UTF8', '--locale=C'],
      { ...owner(), cwd: directory, env: { ...process.env, ...programs.env }, encoding: 'utf8' },
    )
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stdout}${made.stderr}`)
    await server.resume()
    return server
  }

  /** The address of a database. */
  url({
    password = this.password,
    database = 'postgres',
    user = 'waggle',
  }: {
    readonly password?: string
    readonly database?: string
    readonly user?: string
  } = {}): string {
    return `postgres://${user}:${password}@127.0.0.1:${this.port}/${database}`
  }

  /** Starts the server again after `pause`. */
  async resume(): Promise<void> {
    const settings = [
      'listen_addresses=127.0.0.1',
      `port=${this.port}`,
      `unix_socket_directories=${this.#directory}`,
      'fsync=off',
      'max_connections=30',
    ]
    const args = ['-D', join(this.#directory, 'data'), ...settings.flatMap((setting) => ['-c', setting])]
    this.#process = spawn(join(this.#programs.directory, 'postgres'), args, {
      ...owner(),
      cwd: this.#directory,
      env: { ...process.env, ...this.#programs.env },
      stdio: 'ignore',
    })
    for (let tries = 0; ; tries++) {
      try {
        await this.query('SELECT 1')
        return
      } catch (thrown) {
        if (tries === 200) throw thrown
        await pause(50)
      }
    }
  }

  /** Ends the server at once, like a crash. Its data stays. */
  async pause(): Promise<void> {
    const running = this.#process
    this.#process = null
    if (running === null || running.exitCode !== null) return
    running.kill('SIGQUIT')
    await once(running, 'exit')
  }

  /** Runs SQL as the server's owner, and returns the rows of the last statement. */
  async query(
    sql: string,
    { database = 'postgres' }: { readonly database?: string } = {},
  ): Promise<readonly { readonly [column: string]: unknown }[]> {
    const client = new pg.Client({ connectionString: this.url({ database }) })
    // A server that ends breaks the connection.
    client.on('error', () => {})
    await client.connect()
    try {
      const result = await client.query<{ readonly [column: string]: unknown }>(sql)
      return result.rows ?? []
    } finally {
      await client.end()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pause()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The user and group of the server. PostgreSQL refuses to run as root. Root therefore starts it as PostgreSQL's own user, or as nobody. */
function owner(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const known = spawnSync('id', ['-u', 'postgres'], { encoding: 'utf8' })
  const id = known.status === 0 ? Number(known.stdout) : 65534
  return { uid: id, gid: id === 65534 ? 65534 : Number(spawnSync('id', ['-g', 'postgres'], { encoding: 'utf8' }).stdout) }
}
