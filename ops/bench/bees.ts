import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { BeeRequest } from '../../bees/define-bee.ts'
import { loadBee } from '../../bees/module/load-bee.ts'
import { DockerContainers } from '../../connectors/docker/docker-containers.ts'
import { DockerEngine } from '../../connectors/docker/docker-engine.ts'
import { BeeSocket } from '../../connectors/processes/bee-socket.ts'
import { LocalProcesses } from '../../connectors/processes/local-processes.ts'
import { LocalPython } from '../../connectors/python/local-python.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { OpenProcess } from '../../topology/swarm/ports/processes.ts'
import { Answered } from '../../topology/swarm/request/answered.ts'
import { pythonSdk } from '../beekeeper/python-sdk-folder.ts'
import { openInContainer, withoutDocker } from './container-echo.ts'
import { arrayEcho, bareArrays, bareEcho, barePython, echoBee, pythonEcho } from './echo-programs.ts'
import type { Table } from './table.ts'

const sizes = [1_024, 150_000]
const inFlight = 32

/**
 * Measures the channels to a bee. In the same run each channel is also measured bare, with a program that only copies bytes. Latency is measured with
 * one message at a time, and throughput with 32 messages in flight. The second table compares a computing Python bee with different numbers of
 * workers. A row that this machine cannot measure is left out, with the reason on standard error. `only`: measures the channels whose names contain
 * this text.
 */
export async function beesBenchmark({ seconds, only }: { readonly seconds: number; readonly only: string }): Promise<readonly Table[]> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  try {
    const rows: (readonly (string | number)[])[] = []
    const chosen: Way[] = []
    for (const way of ways(file, directory)) {
      const missing = way.name.includes(only) ? await way.missing?.() : null
      if (missing) process.stderr.write(`${way.name}: left out, because ${missing}\n`)
      else if (way.name.includes(only)) chosen.push(way)
    }
    for (const size of sizes) {
      for (const way of chosen) {
        if (way.size !== undefined && way.size !== size) continue
        const [bee, bare] = [await way.bee(), await way.bare()]
        const [measured, floor] = [await measure(bee.echo, size, seconds), await measure(bare.echo, size, seconds)]
        const cpu = [await bee.cpuMicros?.(), await bare.cpuMicros?.()].map((micros) => micros ?? '')
        await bee.close()
        await bare.close()
        rows.push([
          `${way.name}, ${size} bytes`,
          measured.perSecond,
          floor.perSecond,
          measured.medianMicros,
          floor.medianMicros,
          measured.p99Micros,
          floor.p99Micros,
          ...cpu,
        ])
        process.stderr.write(`${way.name}, ${size} bytes\n`)
      }
    }
    const columns = [
      'channel',
      'messages/s',
      'bare messages/s',
      'median µs',
      'bare median µs',
      'p99 µs',
      'bare p99 µs',
      'CPU µs/message of the process',
      'bare CPU µs/message',
    ]
    const peerColumns = { 'messages/s': 'bare messages/s', 'median µs': 'bare median µs', 'p99 µs': 'bare p99 µs' }
    const channels = { title: 'Channels to a bee', columns, rows, peerColumns }
    return only === '' ? [channels, await workersTable(file('busy.py', pythonEcho), directory, seconds)] : [channels]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** A program at the other end of a channel. It sends each message back. */
interface Echo {
  echo(bytes: Uint8Array): Promise<void>
  /** The mean CPU time of the program's process for each message so far, in microseconds. */
  cpuMicros?(): Promise<number>
  close(): Promise<void>
}

interface Way {
  readonly name: string
  /** The only size of the program's messages. Default: both sizes. */
  readonly size?: number
  /** The reason why this machine cannot measure the row, as the end of a sentence; null if it can. */
  missing?(): Promise<string | null>
  bee(): Promise<Echo>
  bare(): Promise<Echo>
}

type NewFile = (name: string, text: string) => string

function ways(file: NewFile, directory: string): readonly Way[] {
  const node = (name: string, form: 'json' | 'binary', channel: 'stdio' | 'socket'): Way => ({
    name,
    bee: () => openBee([process.execPath, file(`${form}-${channel}.mjs`, echoBee(form, channel))]),
    bare: () => openBare([process.execPath, file(`bare-${channel}.mjs`, bareEcho(channel))], channel),
  })
  return [
    {
      name: 'in process',
      async bee() {
        const bee = await loadBee({ path: file('echo.mjs', 'export default (input) => input'), export: 'default' })
        if (!('process' in bee)) throw new Error('the module has no process function')
        return { echo: async (bytes) => void (await bee.process(bytes, {} as BeeRequest)), close: async () => {} }
      },
      bare: async () => ({ echo: async () => {}, close: async () => {} }),
    },
    node('JSON lines on stdio', 'json', 'stdio'),
    node('frames on stdio', 'binary', 'stdio'),
    node('frames on a socket', 'binary', 'socket'),
    {
      name: 'Python, frames on a socket',
      bee: () => openPython(file('echo.py', pythonEcho), 'echo', directory, ofBytes),
      bare: () => openBare(['python3', file('bare.py', barePython)], 'framed socket'),
    },
    {
      name: 'Python, numpy arrays on a socket',
      size: 150_000,
      missing: withoutNumpy,
      bee: () => openPython(file('arrays.py', arrayEcho), 'array', directory, ofArray),
      bare: () => openBare(['python3', file('bare-arrays.py', bareArrays)], 'framed socket'),
    },
    {
      name: 'container, frames on a socket',
      missing: withoutDocker,
      bee: async () => echoOf(await openInContainer(mkdtempSync(join(directory, 'container-')), echoBee('binary', 'socket')), ofBytes),
      bare: () => openBare([process.execPath, file('bare-socket.mjs', bareEcho('socket'))], 'socket'),
    },
  ]
}

async function openBee(command: readonly string[]): Promise<Echo> {
  const open = await new LocalProcesses({ clock: systemClock }).open({ swarm: 'bench', bee: 'echo', command, env: {}, log: () => {} })
  return echoOf(open, ofBytes)
}

/** The payload of a message with these bytes. */
type PayloadOf = (bytes: Uint8Array) => Payload

const ofBytes: PayloadOf = (bytes) => ({ kind: 'bytes', contentType: 'application/octet-stream', bytes })

const ofArray: PayloadOf = ({ buffer, byteOffset, byteLength }) => ({
  kind: 'tensors',
  tensors: { array: { datatype: 'FP32', shape: [byteLength / 4], data: new Float32Array(buffer, byteOffset, byteLength / 4) } },
})

async function withoutNumpy(): Promise<string | null> {
  const { status } = spawnSync('python3', ['-c', 'import numpy'], { stdio: 'ignore' })
  return status === 0 ? null : 'the python3 in PATH has no numpy: put the folder of one that has it first in PATH'
}

function openProcessOf(file: string, name: string, directory: string, workers: number): Promise<OpenProcess> {
  const python = new LocalPython({
    clock: systemClock,
    processes: new LocalProcesses({ clock: systemClock }),
    containers: new DockerContainers({ engine: new DockerEngine(), clock: systemClock, dataDirectory: directory }),
    directory: join(directory, 'python'),
    sdk: pythonSdk(),
    allowedRequirements: 'packages',
  })
  return python.open({ swarm: 'bench', bee: 'echo', file, name, requirements: null, workers, env: {}, log: () => {} })
}

async function openPython(file: string, name: string, directory: string, payloadOf: PayloadOf): Promise<Echo> {
  const open = await openProcessOf(file, name, directory, 1)
  const echo = echoOf(open, payloadOf)
  let messages = 0
  const cpuSeconds = async () => Number(((await ask(open, { kind: 'json', json: 'cpu' })) as { json: { cpu_seconds: number } }).json.cpu_seconds)
  const before = await cpuSeconds()
  return {
    ...echo,
    echo(bytes) {
      messages++
      return echo.echo(bytes)
    },
    cpuMicros: async () => ((await cpuSeconds()) - before) * (1e6 / messages),
  }
}

function echoOf(open: OpenProcess, payloadOf: PayloadOf): Echo {
  return {
    echo: async (bytes) => void (await ask(open, payloadOf(bytes))),
    close: () => open.close(),
  }
}

async function ask(open: OpenProcess, payload: Payload): Promise<Payload> {
  const [outcome] = await open.call([{ id: 'bench', payload, deadline: null, signal: neverAborted }])
  if (outcome instanceof Error || outcome === undefined || outcome instanceof Answered) throw outcome ?? new Error('no outcome')
  return outcome
}

const neverAborted = new AbortController().signal

/**
 * Opens a bare channel. A message counts as answered when as many bytes have come back, in order. On a framed channel each message has a head of 8
 * bytes.
 */
async function openBare([program = '', ...argv]: readonly string[], channel: 'stdio' | 'socket' | 'framed socket'): Promise<Echo> {
  const connected = Promise.withResolvers<Socket>()
  const socket = new BeeSocket((connection) => connected.resolve(connection))
  const child: ChildProcess = spawn(program, argv, {
    env: { ...process.env, WAGGLE_BEE_SOCKET: socket.path ?? '' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [input, output]: readonly [Readable | null, Writable | null] =
    channel === 'stdio' ? [child.stdout, child.stdin] : await connected.promise.then((one) => [one, one])
  const waiting: { left: number; done: () => void }[] = []
  let messages = 0
  let cpuSeconds = (_: number) => {}
  input?.on('data', (chunk: Buffer) => {
    if (channel === 'framed socket' && chunk.length === 16 && chunk.readUInt32LE(4) === 1) {
      cpuSeconds(chunk.readDoubleLE(8))
      return
    }
    for (let bytes = chunk.length; bytes > 0; ) {
      const first = waiting[0]
      if (first === undefined) return
      const taken = Math.min(bytes, first.left)
      first.left -= taken
      bytes -= taken
      if (first.left > 0) continue
      waiting.shift()
      first.done()
    }
  })
  const head = (length: number, kind: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32LE(length)
    bytes.writeUInt32LE(kind, 4)
    return bytes
  }
  const askCpu = () => {
    const told = Promise.withResolvers<number>()
    cpuSeconds = told.resolve
    output?.write(head(0, 1))
    return told.promise
  }
  const before = channel === 'framed socket' ? await askCpu() : 0
  return {
    echo: (bytes) =>
      new Promise((done) => {
        messages++
        const isFramed = channel === 'framed socket'
        waiting.push({ left: bytes.length + (isFramed ? 8 : 0), done })
        output?.cork()
        if (isFramed) output?.write(head(bytes.length, 0))
        output?.write(bytes)
        output?.uncork()
      }),
    ...(channel === 'framed socket' ? { cpuMicros: async () => ((await askCpu()) - before) * (1e6 / messages) } : {}),
    async close() {
      const ended = once(child, 'exit')
      child.stdin?.end()
      output?.end()
      await ended
      socket.close()
      input?.destroy()
    },
  }
}

async function measure(echo: Echo['echo'], size: number, seconds: number) {
  const bytes = new Uint8Array(size).fill(7)
  for (let at = 0; at < 200; at++) await echo(bytes)
  const times: number[] = []
  for (const end = performance.now() + seconds * 500; performance.now() < end; ) {
    const began = performance.now()
    await echo(bytes)
    times.push(performance.now() - began)
  }
  times.sort((one, other) => one - other)
  const at = (share: number) => (times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? Number.NaN) * 1000
  return { perSecond: await perSecond(() => echo(bytes), inFlight, seconds), medianMicros: at(0.5), p99Micros: at(0.99) }
}

/** Messages a second, with `width` messages in flight. */
async function perSecond(send: () => Promise<unknown>, width: number, seconds: number): Promise<number> {
  const began = performance.now()
  const end = began + seconds * 1000
  let done = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (performance.now() < end) {
        await send()
        done++
      }
    }),
  )
  return (done / (performance.now() - began)) * 1000
}

async function workersTable(file: string, directory: string, seconds: number): Promise<Table> {
  const rows: (readonly (string | number)[])[] = []
  let alone = 0
  for (const workers of [1, 2]) {
    const open = await openProcessOf(file, 'busy', directory, workers)
    const send = () => ask(open, { kind: 'json', json: 1 })
    await perSecond(send, 8, 1)
    const measured = await perSecond(send, 8, seconds)
    if (workers === 1) alone = measured
    rows.push([workers, measured, measured / alone])
    await open.close()
  }
  return { title: 'A Python bee that computes', columns: ['workers', 'messages/s', 'times one worker'], rows, floorRow: '1' }
}
