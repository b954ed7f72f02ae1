import type { Clock } from '../../../processor/ports.ts'
import type { Tracing } from '../../../topology/swarm/ports/tracing.ts'
import type { LogFields, LogLevel } from '../../process-log/log-line.ts'
import type { Family } from '../exposition.ts'
import { otlpSettings } from './otlp-settings.ts'

/** The telemetry of this process on its way to an OpenTelemetry collector. */
export interface Otlp {
  /** Records spans. Undefined if traces are not sent. */
  readonly tracing: Tracing | undefined
  /** Sends a line of the log. */
  log(module: string, level: LogLevel, message: string, fields?: LogFields): void
  /** Names the metrics that are sent from now on. */
  useMetrics(families: () => readonly Family[]): void
  /** Sends what waits, for a short time at most. */
  close(): Promise<void>
}

export interface OtlpOptions {
  readonly env: { readonly [name: string]: string | undefined }
  readonly clock: Clock
  /** Names this process among those of the service. */
  readonly instance: string
  /** Called with lines about the collector itself. They are not sent to it. */
  readonly say: (level: 'warn' | 'info', message: string) => void
}

/** Opens what OpenTelemetry's variables ask for; null if they name no collector. Its packages are loaded only then. */
export async function openOtlp(options: OtlpOptions): Promise<Otlp | null> {
  const settings = otlpSettings(options.env)
  if (settings === null) return null
  for (const remark of settings.remarks) options.say('warn', remark)
  const { SentTelemetry } = await import('./sent-telemetry.ts')
  return SentTelemetry.open(settings, options)
}
