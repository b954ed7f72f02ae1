import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { spawnEnding } from '../../../ops/bench/ending-child.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { programOfDebian } from '../../support/debian-program.ts'
import { freePort } from '../../support/free-port.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

/**
 * Debian's package is the only ClickHouse server in a package registry. The server is from 2018, and too old for Waggle's tables. Other tests show
 * that predictions reach an external server. They use chDB's engine behind a port (`startWritableClickHouse`).
 */
const server = programOfDebian('clickhouse-server')
if ('missing' in server && process.env.CI === 'true') throw new Error(`The tests need another ClickHouse: ${server.missing}`)

describe('A ClickHouse server that is not Waggle’s own', { skip: 'missing' in server ? server.missing : false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-old-clickhouse-'))
  let url = ''
  let stop = async () => {}

  before(async () => {
    if ('missing' in server) return
    const [http, tcp] = await Promise.all([freePort(), freePort()])
    url = `http://127.0.0.1:${http}`
    writeFileSync(join(directory, 'config.xml'), config({ http, tcp, directory }))
    writeFileSync(join(directory, 'users.xml'), users)
    mkdirSync(join(directory, 'data'))
    const child = spawnEnding(server.program, [`--config-file=${join(directory, 'config.xml')}`], {
      stdio: 'ignore',
      env: { ...process.env, ...server.env },
    })
    stop = async () => {
      const gone = new Promise((settle) => child.once('exit', settle))
      child.kill('SIGKILL')
      await gone
    }
    for (let attempt = 0; (await fetch(`${url}/ping`).catch(() => null))?.ok !== true; attempt++) {
      assert.ok(attempt < 600, 'the server does not start')
      await pause(50)
    }
  })
  after(async () => {
    await stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('is refused at the start of a swarm if it is too old for the table, and the error names its version and the next step', async () => {
    const bees = `  - {name: model, type: tensor-rt, input: {name: entrance}, spec: {model: ./small.onnx, labels: [no, yes]}}
  - {name: save, type: save-to-database, input: {name: model}, spec: {table: rows}}`
    const files = { 'small.onnx': smallModel({ features: 4, labels: 2 }) }
    await assert.rejects(SwarmHere.open({ CLICKHOUSE_URL: url }, { bees, files }), {
      code: 'WAGGLE_CLICKHOUSE',
      message: /ClickHouse server is 18\.\d+\.\d+/,
      next: /22\.3 or later/,
    })
  })
})

function config({ http, tcp, directory }: { readonly http: number; readonly tcp: number; readonly directory: string }): string {
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
