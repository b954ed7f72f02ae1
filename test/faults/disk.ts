import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { canonical } from '../support/canonical-json.ts'

export interface DiskReport {
  readonly cases: number
  /** Starts that were refused with the cause and the next step. Each refused process was then started with `--accept-loss`, and listed its losses. */
  readonly refused: number
  /** Starts after which all durable data was there. */
  readonly recovered: number
  /** Starts that were neither refused nor complete; empty if all promises held. */
  readonly broken: readonly string[]
}

export interface DiskOptions {
  /** Selects cases by their text `STOP FILE DAMAGE`; null: all cases. */
  readonly only: RegExp | null
  readonly say?: (line: string) => void
}

/**
 * Runs a swarm on real files. After a clean stop and after SIGKILL, each kind of file in the data directory is flipped, cut, zeroed or deleted, and
 * the process starts again. The process must refuse to start with an explanation, or have all data that was promised to a client.
 */
export async function damageDisk({ only, say = () => {} }: DiskOptions): Promise<DiskReport> {
  const root = mkdtempSync(join(tmpdir(), 'waggle-disk-'))
  const broken: string[] = []
  let [cases, refused, recovered] = [0, 0, 0]
  try {
    const swarms = { log: hello, clickhouse: join(root, 'saving.yaml') }
    writeFileSync(swarms.clickhouse, savingSwarm)
    for (const [stop, place] of [
      ['stopped', 'log'],
      ['killed', 'log'],
      ['stopped', 'clickhouse'],
      ['killed', 'clickhouse'],
    ] as const) {
      const chosen = Object.entries(kinds[place])
        .flatMap(([kind, pattern]) =>
          Object.entries(damages).map(([name, damage]) => ({ kind, pattern, name, damage, what: `${stop} ${kind} ${name}` })),
        )
        .filter(({ what }) => only === null || only.test(what))
      if (chosen.length === 0) continue
      const whole = join(root, `${stop} ${place}`)
      const promised = await fill(whole, stop, swarms[place])
      for (const { pattern, name, damage, what } of chosen) {
        const directory = join(root, 'damaged')
        rmSync(directory, { recursive: true, force: true })
        cpSync(whole, directory, { recursive: true, verbatimSymlinks: true })
        const files = (readdirSync(directory, { recursive: true }) as string[])
          .filter((file) => pattern.test(file))
          .map((file) => join(directory, file))
        const damaged = files.filter((file) => name === 'deleted' || (statSync(file).isFile() && statSync(file).size > 0))
        if (damaged.length === 0) continue
        for (const file of damaged) damage(file)
        // An emptied directory looks like a new directory, so this case is left out.
        if (readdirSync(directory).length === 0) continue
        cases++
        const outcome = await outcomeOf(directory, swarms[place], promised)
        if (outcome === 'refused') refused++
        else if (outcome === 'recovered') recovered++
        else broken.push(`${what}: ${outcome}`)
        say(`${what.padEnd(32)} ${outcome}`)
      }
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
  return { cases, refused, recovered, broken }
}

const kinds = {
  log: {
    'write-ahead log': /log\/db\/\d+\.log$/,
    table: /\.sst$/,
    manifest: /MANIFEST-\d+$/,
    CURRENT: /CURRENT$/,
    IDENTITY: /IDENTITY$/,
    OPTIONS: /OPTIONS-\d+$/,
    mark: /log\/mark$/,
    topics: /topics\.json$/,
    segment: /\.seg$/,
    FORMAT: /^FORMAT$/,
    flights: /^flights$/,
    log: /^log$/,
    'log and FORMAT': /^(log|FORMAT)$/,
    'log, FORMAT and LOG-MADE': /^(log|FORMAT|LOG-MADE)$/,
    'mark and write-ahead log': /log\/(mark|db\/\d+\.log)$/,
    'mark and database': /log\/(mark|db)$/,
    'LOG-MADE': /^LOG-MADE$/,
  },
  clickhouse: {
    'data of parts': /^clickhouse\/store\/.*\/data\.bin$/,
    'index of parts': /^clickhouse\/store\/.*\/primary\.cidx$/,
    'checksums of parts': /^clickhouse\/store\/.*\/checksums\.txt$/,
    'an older part': /^clickhouse\/store\/[^/]+\/[^/]+\/all_1_\d+_\d+$/,
    'definition of tables': /^clickhouse\/store\/.*\.sql$/,
    'version of tables': /^clickhouse\/store\/.*\/format_version\.txt$/,
    'all of clickhouse': /^clickhouse$/,
  },
} as const

const damages: { readonly [name: string]: (file: string) => void } = {
  flipped: (file) => {
    const bytes = readFileSync(file)
    const middle = bytes.length >> 1
    for (let at = middle; at < Math.min(bytes.length, middle + 4); at++) bytes[at] = (bytes[at] ?? 0) ^ 0xff
    writeFileSync(file, bytes)
  },
  cut: (file) => truncateSync(file, statSync(file).size >> 1),
  zeroed: (file) => writeFileSync(file, Buffer.alloc(statSync(file).size)),
  deleted: (file) => rmSync(file, { recursive: true }),
}

const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')
const hello = resolve(import.meta.dirname, '..', '..', 'swarms', 'hello-world', 'swarm.yaml')
const savingSwarm = `name: saving
bees:
  - { name: input, type: gateway-input, spec: { name: hello } }
  - { name: greet, type: module, input: { name: input }, spec: { file: ${join(dirname(hello), 'greet.ts')} } }
  - { name: answer, type: respond, input: { name: greet } }
  - { name: save, type: save-to-database, input: { name: greet }, spec: { table: greetings } }
`

function start(directory: string, swarm: string, more: readonly string[] = []): Promise<MeasuredProgram> {
  return MeasuredProgram.start([main, 'run', swarm, '--json', ...more], {
    WAGGLE_DATA_DIR: directory,
    WAGGLE_HTTP_PORT: '0',
    WAGGLE_CLICKHOUSE_PORT: '0',
  })
}

/**
 * Sends requests in two runs of the process, so that the directory has tables and a write-ahead log. Every tenth body is large. Returns the answer of
 * each request id, or null if the client only saw a 202.
 */
async function fill(directory: string, stop: 'stopped' | 'killed', swarm: string): Promise<ReadonlyMap<string, string | null>> {
  const promised = new Map<string, string | null>()
  for (let life = 0; life < 2; life++) {
    const program = await start(directory, swarm)
    for (let sent = 0; sent < 40; sent++) {
      const verb = sent % 4 === 3 ? 'submit' : 'request'
      const body = JSON.stringify({ name: sent % 10 === 0 ? 'x'.repeat(50_000) : `caller ${sent}` })
      const send = () =>
        fetch(`${program.ready.gateway}/v1/gateways/hello/${verb}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
      let response = await send()
      let text = await response.text()
      // A busy machine answers 503, which promises nothing.
      for (let again = 0; response.status === 503 && again < 50; again++) {
        await pause(200)
        response = await send()
        text = await response.text()
      }
      if (response.status !== 200 && response.status !== 202) throw new Error(`${response.status}: ${text}`)
      promised.set(response.headers.get('x-request-id') ?? '', response.status === 200 ? canonical(JSON.parse(text)) : null)
    }
    if ((await rowsOf(program, promised.size)) < promised.size) throw new Error('The rows do not come')
    if (stop === 'stopped') await program.stop()
    else await program.kill('with its children')
  }
  return promised
}

/** `refused`, `recovered`, or a description of the broken promise. */
async function outcomeOf(directory: string, swarm: string, promised: ReadonlyMap<string, string | null>): Promise<string> {
  let program: MeasuredProgram
  try {
    program = await start(directory, swarm)
  } catch (thrown) {
    return refusalOf(directory, swarm, promised, thrown instanceof Error ? thrown.message : String(thrown))
  }
  try {
    let missing = 0
    for (const [id, seen] of promised) {
      const now = await answerOf(program.ready.gateway, id)
      if (now === null || (seen !== null && seen !== now)) missing++
    }
    const rows = await rowsOf(program, promised.size)
    if (rows < promised.size) return `${promised.size - rows} of ${promised.size} rows are missing`
    return missing === 0 ? 'recovered' : `${missing} of ${promised.size} promised requests are not what they were, and nothing was said`
  } finally {
    await program.stop()
  }
}

/** Follows the advice of the refusal. */
async function refusalOf(directory: string, swarm: string, promised: ReadonlyMap<string, string | null>, said: string): Promise<string> {
  if (/"WAGGLE_CLICKHOUSE"/.test(said)) {
    const [, folder] = /The part (\S+) of the table/.exec(said) ?? []
    rmSync(folder ?? join(directory, 'clickhouse'), { recursive: true })
    const outcome = await outcomeOf(directory, swarm, promised)
    return outcome === 'recovered' ? 'refused' : outcome
  }
  if (/WAGGLE_DATA_FORMAT/.test(said)) return 'refused'
  if (!/WAGGLE_LOG_CORRUPT/.test(said) || !/--accept-loss/.test(said)) return `ended without an explanation: ${said}`
  const program = await start(directory, swarm, ['--accept-loss']).catch((thrown: unknown) => String(thrown))
  if (typeof program === 'string') return `does not start with --accept-loss: ${program}`
  const isListed = /Lost: /.test(program.lastWords)
  await program.stop()
  return isListed ? 'refused' : `--accept-loss lists no loss: ${program.lastWords}`
}

/** The number of rows in the table when there are at least `expected`; all rows if the swarm saves none. */
async function rowsOf({ ready }: MeasuredProgram, expected: number): Promise<number> {
  if (ready.clickhouse === null) return expected
  let rows = -1
  for (let attempt = 0; attempt < 100 && rows < expected; attempt++) {
    if (attempt > 0) await pause(100)
    rows = Number(await (await fetch(`${ready.clickhouse}/?query=${encodeURIComponent('SELECT count() FROM greetings')}`)).text())
  }
  return rows
}

async function answerOf(gateway: string, id: string): Promise<string | null> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const response = await fetch(`${gateway}/v1/requests/${id}`)
    const entry = (await response.json()) as { readonly state?: string; readonly answer?: unknown }
    if (entry.state === 'answered') return canonical(entry.answer)
    if (entry.state !== 'pending') return null
    await new Promise((next) => setTimeout(next, 20))
  }
  return null
}
