import { hostname } from 'node:os'
import { SeverityNumber } from '@opentelemetry/api'
import { detectResources, envDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { MeterProvider, type MetricProducer, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace'
import { ownPackage } from '../../../topology/own-package.ts'
import type { Tracing } from '../../../topology/swarm/ports/tracing.ts'
import type { LogFields, LogLevel } from '../../process-log/log-line.ts'
import type { Family } from '../exposition.ts'
import { logExporter, metricExporter, spanExporter } from './exporters.ts'
import { metricPoints } from './metric-points.ts'
import type { Otlp, OtlpOptions } from './otlp.ts'
import type { OtlpSettings } from './otlp-settings.ts'
import { hrTime, RecordedSpans } from './recorded-spans.ts'
import { watched } from './watched-exporter.ts'

type Logger = ReturnType<LoggerProvider['getLogger']>

/** Sends traces, metrics and logs with OpenTelemetry's own packages. Their queues are bounded. A full queue drops new items. */
export class SentTelemetry implements Otlp {
  tracing: Tracing | undefined
  #families: () => readonly Family[] = () => []
  #logger: Logger | null = null
  readonly #resource: Resource
  readonly #startedAtMs: number
  readonly #options: OtlpOptions
  readonly #parts: { shutdown(): Promise<void> }[] = []

  private constructor(serviceName: string, options: OtlpOptions) {
    this.#options = options
    this.#startedAtMs = options.clock.now()
    this.#resource = resourceFromAttributes({
      'service.name': serviceName,
      'service.version': ownPackage.version,
      'service.instance.id': options.instance,
      'host.name': hostname(),
      'process.pid': process.pid,
      'process.runtime.name': 'nodejs',
      'process.runtime.version': process.versions.node,
    }).merge(detectResources({ detectors: [envDetector] }))
  }

  static async open(settings: OtlpSettings, options: OtlpOptions): Promise<SentTelemetry> {
    const telemetry = new SentTelemetry(settings.serviceName, options)
    await Promise.all([telemetry.#openTraces(settings), telemetry.#openMetrics(settings), telemetry.#openLogs(settings)])
    return telemetry
  }

  log(module: string, level: LogLevel, message: string, { stack, ...fields }: LogFields = {}): void {
    this.#logger?.emit({
      timestamp: this.#options.clock.now(),
      severityNumber: severities[level],
      severityText: level.toUpperCase(),
      body: message,
      attributes: {
        ...(module === '' ? {} : { 'waggle.module': module }),
        ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [`waggle.${name}`, value as string | number | boolean])),
        ...(stack === undefined ? {} : { 'exception.stacktrace': stack }),
      },
    })
  }

  useMetrics(families: () => readonly Family[]): void {
    this.#families = families
  }

  async close(): Promise<void> {
    const { clock } = this.#options
    const closed = Promise.allSettled(this.#parts.map((part) => part.shutdown()))
    await new Promise<void>((resolve) => {
      const cancel = clock.after(maxFlushMs, resolve)
      void closed.then(() => {
        cancel()
        resolve()
      })
    })
  }

  async #openTraces({ protocols: { traces }, spans, sampler, maxLinks }: OtlpSettings): Promise<void> {
    if (traces === null) return
    const exporter = watched(await spanExporter(traces), 'traces', this.#options.say)
    const processor = new BatchSpanProcessor({ exporter, ...spans })
    this.#parts.push(processor)
    const { clock, random } = this.#options
    this.tracing = new RecordedSpans({ processor, resource: this.#resource, clock, random, settings: { sampler, maxLinks } })
  }

  async #openMetrics({ protocols: { metrics: protocol }, metrics }: OtlpSettings): Promise<void> {
    if (protocol === null) return
    const exporter = watched(await metricExporter(protocol), 'metrics', this.#options.say)
    const reader = new PeriodicExportingMetricReader({ exporter, ...metrics, metricProducers: [this.#producer] })
    this.#parts.push(new MeterProvider({ resource: this.#resource, readers: [reader] }))
  }

  async #openLogs({ protocols: { logs: protocol }, logs }: OtlpSettings): Promise<void> {
    if (protocol === null) return
    const exporter = watched(await logExporter(protocol), 'logs', this.#options.say)
    const provider = new LoggerProvider({ resource: this.#resource, processors: [new BatchLogRecordProcessor({ exporter, ...logs })] })
    this.#parts.push(provider)
    this.#logger = provider.getLogger('waggle-streams', ownPackage.version)
  }

  get #producer(): MetricProducer {
    return {
      collect: async () => {
        // A clock that has gone back would give points that end before they begin.
        const endedAtMs = Math.max(this.#startedAtMs, this.#options.clock.now())
        const times = { startTime: hrTime(this.#startedAtMs), endTime: hrTime(endedAtMs) }
        const metrics = metricPoints(this.#families(), times)
        const scope = { name: 'waggle-streams', version: ownPackage.version }
        return { resourceMetrics: { resource: this.#resource, scopeMetrics: [{ scope, metrics }] }, errors: [] }
      },
    }
  }
}

const severities: { readonly [level in LogLevel]: SeverityNumber } = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
}

/** The longest time that a stop waits for a collector, in ms. */
const maxFlushMs = 2000
