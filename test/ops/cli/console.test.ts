import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Console } from '../../../ops/cli/console.ts'
import { LogThreshold } from '../../../ops/process-log/log-threshold.ts'

const file = pathToFileURL(resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'console.ts')).href
const program = `
const { Console } = await import(${JSON.stringify(file)})
const { stdout, stderr } = process
new Console({ json: false, stdout, stderr, clock: { now: () => 0 }, threshold: { shows: () => true } }).log('work', 'error', 'it failed')
`

it('The log has no colours in a pipe, even if CI is set', () => {
  for (const env of [{}, { CI: 'true' }, { CI: 'true', TERM: 'xterm-256color' }]) {
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env: { ...process.env, ...env }, encoding: 'utf8' })
    assert.equal(stderr, '1970-01-01T00:00:00.000Z error work: it failed\n')
  }
})

it('A process that runs swarms and a server both print the address of the page first', () => {
  const addresses = { gateway: 'http://127.0.0.1:8080', grpc: null, clickhouse: null, swarms: [] }
  const printed = (print: (console: Console) => void) => {
    let text = ''
    const write = (part: string) => {
      text += part
      return true
    }
    const stream = { isTTY: false, write }
    print(new Console({ json: false, stdout: stream, stderr: stream, clock: { now: () => 0 }, threshold: LogThreshold.parse('info') }))
    return text.split('\n').filter((line) => line.includes('http://'))
  }
  for (const print of [(console: Console) => console.ready(addresses), (console: Console) => console.serving(addresses)]) {
    assert.match(printed(print)[0] ?? '', /^ {2}Page +http:\/\/127\.0\.0\.1:8080\/$/)
  }
})
