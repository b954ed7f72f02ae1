import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.ts'
import { type FoundProgram, goProgram, prepare } from './go-program.ts'

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

/** The collector's program, or the reason why it is not available. */
export function otelCollector(): FoundProgram {
  return goProgram({
    name: `otel-collector-${version}`,
    sources: join(import.meta.dirname, 'otel-collector'),
    purpose: 'OpenTelemetry collector to test with',
  })
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

if (import.meta.main) prepare(otelCollector())
