import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.ts'

const sources = join(import.meta.dirname, 'otel-collector')

/** A span in the form of the collector. */
export interface CollectedSpan {
  readonly service: string
  readonly traceId: string
  readonly id: string
  readonly parentId: string
  readonly name: string
  readonly kind: string
  readonly status: string
  readonly attributes: ReadonlyMap<string, string>
  /** The spans to which this span has links, as trace id and span id. */
  readonly links: readonly { readonly traceId: string; readonly id: string }[]
}

/** OpenTelemetry's own collector, with its OTLP receiver, and with its debug exporter, which prints everything that was received. */
export class OtelCollector implements AsyncDisposable {
  readonly httpUrl: string
  readonly grpcUrl: string
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #lines: string[] = []

  private constructor(child: ChildProcess, directory: string, ports: { readonly http: number; readonly grpc: number }) {
    this.#child = child
    this.#directory = directory
    this.httpUrl = `http://127.0.0.1:${ports.http}`
    this.grpcUrl = `http://127.0.0.1:${ports.grpc}`
  }

  static async start(program: string): Promise<OtelCollector> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-collector-'))
    const ports = { http: await freePort(), grpc: await freePort() }
    const file = join(directory, 'collector.yaml')
    writeFileSync(file, configOf(ports))
    const child = spawn(program, ['--config', `file:${file}`], { stdio: ['ignore', 'pipe', 'pipe'] })
    const collector = new OtelCollector(child, directory, ports)
    const ready = Promise.withResolvers<void>()
    const errors: string[] = []
    createInterface(child.stdout).on('line', (line) => collector.#lines.push(line))
    createInterface(child.stderr).on('line', (line) => {
      errors.push(line)
      if (line.includes('Everything is ready')) ready.resolve()
    })
    child.once('exit', () => ready.reject(new Error(`The collector has ended:\n${errors.slice(-20).join('\n')}`)))
    await ready.promise
    return collector
  }

  /** The whole output of the collector. */
  get record(): string {
    return this.#lines.join('\n')
  }

  get spans(): readonly CollectedSpan[] {
    const spans: (Omit<CollectedSpan, 'attributes' | 'links'> & { attributes: Map<string, string>; links: { traceId: string; id: string }[] })[] = []
    let service = ''
    for (const line of this.#lines) {
      const named = /^ +-> service\.name: Str\((.*)\)$/.exec(line)
      if (named !== null) service = named[1] ?? ''
      if (/^Span #\d+$/.test(line))
        spans.push({ service, traceId: '', id: '', parentId: '', name: '', kind: '', status: '', attributes: new Map(), links: [] })
      const span = spans.at(-1)
      if (span === undefined) continue
      const [, label = '', value = ''] = /^ {4}([A-Z][A-Za-z ]*?) +: ?(.*)$/.exec(line) ?? []
      const field = fields.get(label)
      if (field !== undefined) Object.assign(span, { [field]: value })
      const [, name = '', text = ''] = /^ +-> ([a-z][\w.]*): [A-Z]\w*\((.*)\)$/.exec(line) ?? []
      if (name !== '' && line.startsWith('     ->')) span.attributes.set(name, text)
      const [, linkedTrace] = /^ +-> Trace ID: ([0-9a-f]{32})$/.exec(line) ?? []
      if (linkedTrace !== undefined) span.links.push({ traceId: linkedTrace, id: '' })
      const [, linkedSpan] = /^ +-> ID: ([0-9a-f]{16})$/.exec(line) ?? []
      const link = span.links.at(-1)
      if (linkedSpan !== undefined && link !== undefined) link.id = linkedSpan
    }
    return spans
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await gone
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/**
 * The collector's program, or the reason why it is not available. It is built once, into a cache of the user, which takes some minutes of CPU time.
 * `npm test` builds it before the tests, because the time limits of tests are shorter.
 */
export function otelCollector(): { readonly path: string } | { readonly missing: string } {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
  const path = join(cache, `otel-collector-${version}`)
  if (existsSync(path)) return { path }
  if (spawnSync('go', ['version']).status !== 0)
    return { missing: 'There is no OpenTelemetry collector to test with: it is built by go, which is not on this machine' }
  mkdirSync(cache, { recursive: true })
  const built = mkdtempSync(join(cache, 'fetch-'))
  try {
    for (const name of ['main.go', 'go.mod', 'go.sum']) copyFileSync(join(sources, name), join(built, name))
    const env = { ...process.env, GOFLAGS: '-buildvcs=false' }
    const { status, stderr } = spawnSync('go', ['build', '-trimpath', '-ldflags=-s -w', '-o', 'collector', '.'], {
      cwd: built,
      encoding: 'utf8',
      env,
      timeout: buildMs,
    })
    if (status !== 0) return { missing: `There is no OpenTelemetry collector to test with: go cannot build it: ${stderr.slice(-500)}` }
    renameSync(join(built, 'collector'), path)
    return { path }
  } finally {
    rmSync(built, { recursive: true, force: true })
  }
}

function configOf({ http, grpc }: { readonly http: number; readonly grpc: number }): string {
  return `receivers:
  otlp:
    protocols:
      http: { endpoint: "127.0.0.1:${http}" }
      grpc: { endpoint: "127.0.0.1:${grpc}" }
exporters:
  debug: { verbosity: detailed, use_internal_logger: false }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlp], exporters: [debug] }
    metrics: { receivers: [otlp], exporters: [debug] }
    logs: { receivers: [otlp], exporters: [debug] }
`
}

const fields = new Map([
  ['Trace ID', 'traceId'],
  ['Parent ID', 'parentId'],
  ['ID', 'id'],
  ['Name', 'name'],
  ['Kind', 'kind'],
  ['Status code', 'status'],
])
const version = '0.165.0'
const buildMs = 900_000

if (import.meta.main) {
  const found = otelCollector()
  if ('missing' in found) process.stdout.write(`${found.missing}\n`)
  process.exitCode = 'missing' in found && process.env.CI === 'true' ? 1 : 0
}
