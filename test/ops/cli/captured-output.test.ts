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
  readonly swarm?: string
  readonly bee?: string
  readonly request_id?: string
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
const later = async () => {
  console.log('half of')
  await new Promise((resolve) => setTimeout(resolve, 1))
  console.log('after a wait')
}
export default async (input) => { chatter(); await later(); return { here: input } }
export const aside = async (input) => { chatter(); await later(); return { there: input } }
`

for (const form of ['json', 'text'] as const)
  describe(`waggle run with bees that print, and a log that is ${form}`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-print-'))
    const out: string[] = []
    const err: string[] = []
    let status: number | null = null
    let requestId: string | null = null
    /** The log of each bee, as the API gives it. */
    const logs = new Map<string, readonly Line[]>()

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
      const child = spawn(process.execPath, [main, 'run', join(directory, 'swarm.yaml'), ...(form === 'json' ? ['--json'] : [])], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '1', WAGGLE_LOG_FORMAT: form },
      })
      createInterface(child.stderr).on('line', (line) => err.push(line))
      const ended = new Promise<number | null>((settle) => child.once('close', settle))
      createInterface(child.stdout).on('line', (line) => {
        out.push(line)
        void askAndStop(line)
      })
      const askAndStop = async (line: string) => {
        const gateway = form === 'json' ? (JSON.parse(line) as Line).gateway : /^ {2}Gateway +(\S+)/.exec(line)?.[1]
        if (gateway === undefined) return
        const answer = await fetch(`${gateway}/v1/gateways/door/request`, {
          method: 'POST',
          body: '1',
          headers: { 'content-type': 'application/json' },
        })
        assert.deepEqual(await answer.json(), { there: { here: 1 } })
        requestId = answer.headers.get('x-request-id')
        for (const bee of ['here', 'there'])
          logs.set(bee, (await (await fetch(`${gateway}/v1/swarms/chatty/bees/${bee}/logs?after=0`)).json()) as readonly Line[])
        child.kill('SIGTERM')
      }
      status = await ended
    })
    after(() => rmSync(directory, { recursive: true, force: true }))

    const texts = ['{ a: 1 }', 'two', 'lines', 'to standard error', 'half a line: bär', 'half of', 'written', 'after a wait']
    const loaded = 'loaded {"event":"ready"}'

    it('keeps each line in the log of its bee, with the request if a call printed it, even after a wait and from a thread', () => {
      assert.equal(status, 0)
      assert.ok(requestId)
      for (const bee of ['here', 'there']) {
        const lines = logs.get(bee) ?? []
        assert.deepEqual(
          lines.filter(({ message = '' }) => message === loaded || texts.includes(message)).map(({ message, request_id: id }) => [message, id]),
          [[loaded, undefined], ...texts.map((text) => [text, requestId])],
        )
      }
    })

    if (form === 'text')
      it('shows the text as it is, and once', () => {
        for (const text of [loaded, ...texts]) {
          const shown = [...out, ...err].filter((line) => line.includes(text))
          assert.deepEqual(shown, [text, text])
        }
      })
    else
      it('writes only its own JSON to standard output, and each line of a bee to standard error, with its swarm and its bee', () => {
        assert.deepEqual(
          out.map((line) => (JSON.parse(line) as Line).event),
          ['ready'],
        )
        const lines = err.map((line) => JSON.parse(line) as Line)
        for (const text of [loaded, ...texts]) {
          const printed = lines.filter(({ message }) => message === text)
          const ids = text === loaded ? [undefined, undefined] : [requestId, requestId]
          assert.deepEqual(printed.map(({ swarm, bee }) => `${swarm}/${bee}`).sort(), ['chatty/here', 'chatty/there'])
          assert.deepEqual(
            printed.map(({ request_id: id }) => id),
            ids,
          )
        }
      })
  })
