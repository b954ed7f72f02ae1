import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'

const root = resolve(import.meta.dirname, '..', '..', '..')

/** One bee for each kind of failure. Each bee is a swarm with its own gateway. */
const bees = {
  throws: 'type: module, spec: { file: ./bees.mjs, bee: throws }',
  quotes: 'type: module, spec: { file: ./bees.mjs, bee: quotes }',
  refuses: 'type: module, spec: { file: ./bees.mjs, bee: refuses }',
  nonsense: 'type: module, spec: { file: ./bees.mjs, bee: nonsense }',
  slow: 'type: module, timeout_seconds: 0.1, spec: { file: ./bees.mjs, bee: slow }',
  dies: 'type: container, spec: { image: dies }',
  babbles: 'type: container, spec: { image: babbles }',
  average: 'type: weighted-average-ensemble, spec: { weights: {} }',
} as const

/** The gateway's metrics need the memory of the process. */
const modules = `import { readFileSync } from 'node:fs'
process.memoryUsage.rss = () => { throw new Error('no memory is known in ' + import.meta.filename) }
import { Refused } from 'waggle-streams'
export const throws = () => { throw new Error('it broke in ' + import.meta.filename) }
export const quotes = () => { readFileSync(import.meta.dirname + '/no-such-file') }
export const refuses = () => { throw new Refused('see ' + import.meta.filename + new Error('x').stack) }
export const nonsense = () => () => {}
export const slow = () => new Promise(() => {})
`

interface Line {
  readonly event: string
  readonly time: string
  readonly level: string
  readonly swarm?: string
  readonly bee: string
  readonly message: string
  readonly code?: string
  readonly request_id?: string
  readonly stack?: string
  readonly [field: string]: unknown
}

describe('A swarm whose bees fail', () => {
  mkdirSync(join(root, '.waggle'), { recursive: true })
  const directory = mkdtempSync(join(root, '.waggle', 'failing-'))
  const lines: Line[] = []
  let gateway = ''
  let stop = async () => {}

  before(async () => {
    writeFileSync(join(directory, 'bees.mjs'), modules)
    const hello = 'console.log(\'{"waggle": 1}\')\n'
    writeFileSync(
      join(directory, 'dies.mjs'),
      `${hello}process.stdin.once('data', () => { console.error('last words'); process.exit(3) })\nsetInterval(() => {}, 1000)\n`,
    )
    writeFileSync(join(directory, 'babbles.mjs'), `${hello}process.stdin.once('data', () => console.log('hello from ' + import.meta.filename))\n`)
    writeFileSync(join(directory, 'waggle.yaml'), 'resolve:\n  dies: [node, ./dies.mjs]\n  babbles: [node, ./babbles.mjs]\n')
    const files = Object.entries(bees).map(([name, bee]) => {
      const file = join(directory, `${name}.yaml`)
      writeFileSync(
        file,
        `name: ${name}
bees:
  - { name: in-${name}, type: gateway-input, spec: { name: ${name} } }
  - { name: ${name}-bee, input: { name: in-${name} }, ${bee} }
  - { name: out-${name}, type: respond, input: { name: ${name}-bee } }
`,
      )
      return file
    })
    const child = spawn(process.execPath, [join(root, 'ops', 'cli', 'main.ts'), 'run', ...files, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        WAGGLE_DATA_DIR: join(directory, 'data'),
        WAGGLE_HTTP_PORT: '0',
        WAGGLE_PARTITIONS: '1',
        WAGGLE_LOG_LEVEL: 'info,throws-bee=debug,refuses=debug',
      },
    })
    createInterface(child.stderr).on('line', (text) => {
      if (text.startsWith('{')) lines.push(JSON.parse(text) as Line)
    })
    for await (const text of createInterface(child.stdout)) {
      const event = JSON.parse(text) as { readonly event: string; readonly gateway: string }
      if (event.event !== 'ready') continue
      gateway = event.gateway
      break
    }
    stop = async () => {
      const ended = new Promise((settle) => child.once('close', settle))
      child.kill('SIGTERM')
      await ended
    }
  })

  after(async () => {
    await stop()
    rmSync(directory, { recursive: true })
  })

  it('answers without a stack or server path, logs one line with the place of each failure, and reports the number of omitted failures when it stops', async () => {
    const answers = await Promise.all(
      Object.keys(bees).map(async (name) => {
        const answer = await fetch(`${gateway}/v1/gateways/${name}/request`, {
          method: 'POST',
          body: '[1]',
          headers: { 'content-type': 'application/json' },
        })
        const id = answer.headers.get('x-request-id') ?? ''
        const body = await answer.text()
        const state = await (await fetch(`${gateway}/v1/requests/${id}`)).text()
        return { name, id, status: answer.status, body, state }
      }),
    )
    const metrics = await fetch(`${gateway}/metrics`)
    const problem = (await metrics.json()) as { readonly request_id: string; readonly detail: string }
    const ask = () => fetch(`${gateway}/v1/gateways/throws/request`, { method: 'POST', body: '[2]', headers: { 'content-type': 'application/json' } })
    await Promise.all(Array.from({ length: 30 }, ask))
    await stop()
    stop = async () => {}
    // A failure of the gateway itself also has a line, and its caller gets only the id.
    assert.equal(metrics.status, 500)
    assert.doesNotMatch(problem.detail, /memory/)
    const own = lines.filter(({ request_id, bee }) => request_id === problem.request_id && bee === 'gateway')
    assert.deepEqual(
      own.map(({ level, code, message }) => [level, code, message.split(' in ')[0]]),
      [['error', 'WAGGLE_INTERNAL', 'no memory is known']],
    )
    assert.match(String(own[0]?.place), /bees\.mjs:2:\d+$/)
    // The stop reports the number of failures without a line. Otherwise these failures would be missing in the log.
    const ofThrows = lines.filter(({ bee, code }) => bee === 'throws-bee' && code === 'WAGGLE_BEE_FAILED')
    const leftOut = ofThrows.map(({ left_out }) => Number(left_out ?? 0)).reduce((sum, count) => sum + count, 0)
    assert.ok(leftOut > 0)
    assert.equal(ofThrows.filter(({ left_out }) => left_out === undefined).length + leftOut, 31)
    for (const { name, id, status, body, state } of answers) {
      assert.equal(status, name === 'refuses' ? 422 : 502, body)
      for (const text of [body, state]) {
        assert.ok(!text.includes(directory) && !text.includes(root), text)
        assert.doesNotMatch(text, /\\n\s+at |node:internal|file:\/\/|"\/[a-z]+\//)
      }
      const { code, detail } = JSON.parse(body) as { readonly code: string; readonly detail: string }
      const own = lines.filter(({ request_id }) => request_id === id)
      assert.equal(own.length, 1, `${name}: ${JSON.stringify(own)}`)
      const [line] = own
      assert.deepEqual([line?.swarm, line?.bee, line?.code, line?.partition, line?.offset], [name, `${name}-bee`, code, 0, '0'], detail)
      assert.match(String(line?.topic), name === 'average' ? /^waggle\./ : /^waggle\.gateway\./)
      assert.match(String(line?.task), /^\d+_0$/)
      assert.match(String(line?.next), /\.$/)
      assert.match(String(line?.time), /^20\d\d-\d\d-\d\dT[\d:.]+Z$/)
      assert.equal(line?.level, name === 'refuses' ? 'debug' : 'error')
      const thrown = { throws: 4, quotes: 5, refuses: 6 }[name]
      if (thrown !== undefined) assert.match(String(line?.place), new RegExp(`/bees\\.mjs:${thrown}:\\d+$`), name)
      assert.equal(line?.stack !== undefined, name === 'throws' || name === 'refuses', name)
    }
    assert.match(lines.find(({ code, bee }) => code !== undefined && bee === 'throws-bee')?.stack ?? '', /bees\.mjs:\d+/)
    // The error of the dead bee refers to the log, so the log must contain the last words of its process.
    assert.ok(lines.some(({ bee, message }) => bee === 'dies-bee' && message.includes('last words')))
  })
})
