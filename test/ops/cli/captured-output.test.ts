import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

interface Line {
  readonly event: string
  readonly gateway: string
  readonly message?: string
}

const bees = `
console.log('loaded %s', '{"event":"ready"}')
const chatter = () => {
  console.log({ a: 1 })
  console.log('two\\nlines')
  console.error('to standard error')
  process.stdout.write('half ')
  process.stdout.write(Buffer.from('a line: bär\\n'), () => console.log('written'))
}
export default (input) => { chatter(); return { here: input } }
export const aside = (input) => { chatter(); return { there: input } }
`

describe('waggle run --json with bees that print', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-print-'))
  const out: string[] = []
  const err: string[] = []
  let status: number | null = null

  before(async () => {
    writeFileSync(join(directory, 'bees.mjs'), bees)
    writeFileSync(
      join(directory, 'swarm.yaml'),
      `name: chatty
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: here, type: module, input: {name: entrance}, spec: {file: ./bees.mjs}}
  - {name: there, type: module, input: {name: here}, spec: {file: ./bees.mjs, bee: aside, workers: 1}}
  - {name: answer, type: respond, input: {name: there}}
`,
    )
    const child = spawn(process.execPath, [main, 'run', join(directory, 'swarm.yaml'), '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '1' },
    })
    createInterface(child.stderr).on('line', (line) => err.push(line))
    const ended = new Promise<number | null>((settle) => child.once('close', settle))
    createInterface(child.stdout).on('line', (line) => {
      out.push(line)
      void askAndStop(line)
    })
    const askAndStop = async (line: string) => {
      const { event, gateway } = JSON.parse(line) as Line
      if (event !== 'ready') return
      const answer = await fetch(`${gateway}/v1/gateways/door/request`, {
        method: 'POST',
        body: '1',
        headers: { 'content-type': 'application/json' },
      })
      assert.deepEqual(await answer.json(), { there: { here: 1 } })
      child.kill('SIGTERM')
    }
    status = await ended
  })
  after(() => rmSync(directory, { recursive: true, force: true }))

  it('writes only its own JSON to standard output', () => {
    assert.equal(status, 0)
    assert.deepEqual(
      out.map((line) => (JSON.parse(line) as Line).event),
      ['ready'],
    )
  })

  it('logs each line that a bee prints, even from a thread', () => {
    const messages = err.map((line) => JSON.parse(line) as Line).flatMap(({ message }) => (message === undefined ? [] : [message]))
    for (const text of ['loaded {"event":"ready"}', '{ a: 1 }', 'two', 'lines', 'to standard error', 'half a line: bär', 'written'])
      assert.equal(messages.filter((message) => message === text).length, 2, `${text}: ${messages.join('\n')}`)
  })
})
