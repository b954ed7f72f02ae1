import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { spawnEnding } from '../../ops/bench/ending-child.ts'
import { freePort } from './free-port.ts'
import { startWritableClickHouse } from './writable-clickhouse.ts'

export interface RunningClickHouse {
  /** URL that takes every statement. */
  readonly url: string
  /** True if the server goes on after the test, so that the test removes what it made. */
  readonly isKept: boolean
  close(): Promise<void>
}

/** A program that is a ClickHouse server, with the arguments and variables that it is started with. */
export interface ClickHouseProgram {
  readonly program: string
  readonly argv: readonly string[]
  readonly env: { readonly [variable: string]: string }
}

/** Starts a ClickHouse server with its data in `directory`. */
export async function startClickHouseServer(server: ClickHouseProgram, directory: string): Promise<RunningClickHouse> {
  const [http, tcp] = await Promise.all([freePort(), freePort()])
  const url = `http://127.0.0.1:${http}`
  mkdirSync(join(directory, 'data'), { recursive: true })
  writeFileSync(join(directory, 'config.xml'), configOf({ http, tcp, directory }))
  writeFileSync(join(directory, 'users.xml'), users)
  const child = spawnEnding(server.program, [...server.argv, `--config-file=${join(directory, 'config.xml')}`], {
    stdio: 'ignore',
    env: { ...process.env, ...server.env },
  })
  for (let attempt = 0; (await fetch(`${url}/ping`).catch(() => null))?.ok !== true; attempt++) {
    assert.ok(attempt < 600, 'the server does not start')
    await pause(50)
  }
  return {
    url,
    isKept: false,
    async close() {
      const gone = new Promise((settle) => child.once('exit', settle))
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** The way to the ClickHouse that tests of views and queries run on, and its name. */
export interface ChosenClickHouse {
  readonly name: string
  start(directory: string): Promise<RunningClickHouse>
}

/**
 * The server at `CLICKHOUSE_TEST_URL`, else the program `clickhouse` of this machine. No package registry has a server that is new enough, so where
 * neither is there it is the engine of chDB, which is ClickHouse's own, behind a port that takes every statement.
 */
export function chosenClickHouse(): ChosenClickHouse {
  const url = process.env.CLICKHOUSE_TEST_URL
  if (url !== undefined) return { name: 'the server at CLICKHOUSE_TEST_URL', start: async () => ({ url, isKept: true, close: async () => {} }) }
  const found = spawnSync('sh', ['-c', 'command -v clickhouse'], { encoding: 'utf8' })
  const server = { program: found.stdout.trim(), argv: ['server'], env: {} }
  if (found.status === 0) return { name: 'the program clickhouse of this machine', start: (directory) => startClickHouseServer(server, directory) }
  return {
    name: 'chDB’s engine behind a port, because this machine has no ClickHouse server',
    start: async (directory) => ({ isKept: false, ...(await startWritableClickHouse(directory)) }),
  }
}

function configOf({ http, tcp, directory }: { readonly http: number; readonly tcp: number; readonly directory: string }): string {
  const settings = {
    http_port: http,
    tcp_port: tcp,
    listen_host: '127.0.0.1',
    path: `${directory}/data/`,
    tmp_path: `${directory}/data/tmp/`,
    users_config: `${directory}/users.xml`,
    mark_cache_size: 5_368_709_120,
    default_profile: 'default',
    default_database: 'default',
  }
  const lines = Object.entries(settings).map(([name, value]) => `<${name}>${value}</${name}>`)
  return `<yandex><logger><level>error</level><console>1</console></logger>${lines.join('')}</yandex>`
}

const users = `<yandex><profiles><default></default></profiles><quotas><default></default></quotas>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>`
