import { unreadVariables } from './unread-variables.ts'

/** One kind of telemetry that a collector accepts. */
export type Signal = (typeof signals)[number]

export const signals = ['traces', 'metrics', 'logs'] as const

export type Protocol = (typeof protocols)[number]

const protocols = ['grpc', 'http/protobuf', 'http/json'] as const

/** The values of OpenTelemetry's variables, under their names in the specification. */
export interface OtlpSettings {
  readonly serviceName: string
  /** The protocol of each signal; null for a signal that is not sent. */
  readonly protocols: { readonly [signal in Signal]: Protocol | null }
  readonly sampler: { readonly isParentBased: boolean; readonly root: 'on' | 'off' | 'ratio'; readonly ratio: number }
  readonly maxLinks: number
  readonly spans: QueueSettings
  readonly logs: QueueSettings
  readonly metrics: { readonly exportIntervalMillis: number; readonly exportTimeoutMillis: number }
  /** Ignored values and variables, as sentences for the log. The specification requires a warning instead of a failure. */
  readonly remarks: readonly string[]
}

/** The settings of a bounded queue before an exporter. A full queue drops new items. */
export interface QueueSettings {
  readonly maxQueueSize: number
  readonly maxExportBatchSize: number
  readonly scheduledDelayMillis: number
  readonly exportTimeoutMillis: number
}

type Env = { readonly [name: string]: string | undefined }

/** Reads the variables. Null if nothing is to be sent, because no endpoint is set or the SDK is disabled. */
export function otlpSettings(env: Env): OtlpSettings | null {
  const read = new Variables(env)
  if (read.text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return null
  const sent = Object.fromEntries(signals.map((signal) => [signal, protocolOf(signal, read)])) as OtlpSettings['protocols']
  if (signals.every((signal) => sent[signal] === null)) return null
  return {
    // The specification: an empty value counts as unset.
    serviceName: read.text('OTEL_SERVICE_NAME') ?? 'waggle',
    protocols: sent,
    sampler: samplerOf(read),
    maxLinks: read.number('OTEL_SPAN_LINK_COUNT_LIMIT', 128, { most: 1024 }),
    spans: queueOf('OTEL_BSP', 5000, read),
    logs: queueOf('OTEL_BLRP', 1000, read),
    metrics: {
      exportIntervalMillis: read.number('OTEL_METRIC_EXPORT_INTERVAL', 60_000),
      exportTimeoutMillis: Math.min(read.number('OTEL_METRIC_EXPORT_TIMEOUT', 30_000), read.number('OTEL_METRIC_EXPORT_INTERVAL', 60_000)),
    },
    remarks: [...new Set([...read.remarks, ...unreadVariables(env)])],
  }
}

function protocolOf(signal: Signal, read: Variables): Protocol | null {
  const own = signal.toUpperCase()
  if (read.text('OTEL_EXPORTER_OTLP_ENDPOINT') === null && read.text(`OTEL_EXPORTER_OTLP_${own}_ENDPOINT`) === null) return null
  if (read.choice(`OTEL_${own}_EXPORTER`, ['otlp', 'none'], 'otlp') === 'none') return null
  const usual = read.choice('OTEL_EXPORTER_OTLP_PROTOCOL', protocols, 'http/protobuf')
  return read.choice(`OTEL_EXPORTER_OTLP_${own}_PROTOCOL`, protocols, usual)
}

function samplerOf(read: Variables): OtlpSettings['sampler'] {
  const names = ['always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'] as const
  const name = read.choice('OTEL_TRACES_SAMPLER', names, 'parentbased_always_on')
  const root = name.endsWith('traceidratio') ? 'ratio' : name.endsWith('always_on') ? 'on' : 'off'
  return { isParentBased: name.startsWith('parentbased_'), root, ratio: root === 'ratio' ? read.ratio('OTEL_TRACES_SAMPLER_ARG') : 1 }
}

function queueOf(prefix: string, delayMs: number, read: Variables): QueueSettings {
  const maxQueueSize = read.number(`${prefix}_MAX_QUEUE_SIZE`, 2048, { most: 1_000_000 })
  return {
    maxQueueSize,
    maxExportBatchSize: Math.min(maxQueueSize, read.number(`${prefix}_MAX_EXPORT_BATCH_SIZE`, 512)),
    scheduledDelayMillis: read.number(`${prefix}_SCHEDULE_DELAY`, delayMs),
    exportTimeoutMillis: read.number(`${prefix}_EXPORT_TIMEOUT`, 30_000),
  }
}

/** Reads variables. A value that is not allowed counts as unset, and adds a remark. */
class Variables {
  readonly remarks: string[] = []
  readonly #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  text(name: string): string | null {
    const value = this.#env[name]?.trim() ?? ''
    return value === '' ? null : value
  }

  choice<const T extends string>(name: string, choices: readonly T[], usual: T): T {
    const text = this.text(name)
    if (text === null) return usual
    return choices.find((one) => one === text.toLowerCase()) ?? this.#ignored(name, `one of ${choices.join(', ')}`, usual)
  }

  number(name: string, usual: number, { most = 2 ** 31 - 1 }: { readonly most?: number } = {}): number {
    const text = this.text(name)
    if (text === null) return usual
    const number = /^\d{1,10}$/.test(text) ? Number(text) : 0
    return number >= 1 && number <= most ? number : this.#ignored(name, `a whole number from 1 to ${most}`, usual)
  }

  ratio(name: string): number {
    const text = this.text(name)
    if (text === null) return 1
    const ratio = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
    return ratio >= 0 && ratio <= 1 ? ratio : this.#ignored(name, 'a number from 0 to 1', 1)
  }

  #ignored<T>(name: string, wanted: string, usual: T): T {
    this.remarks.push(`${name} is ignored, because it is not ${wanted}; ${usual} holds`)
    return usual
  }
}
