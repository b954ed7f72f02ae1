import type { Clock, Random } from '../../../processor/ports.ts'
import type { Tracing } from '../../../topology/swarm/ports/tracing.ts'
import type { LogFields, LogLevel } from '../../process-log/log-line.ts'
import type { Family } from '../exposition.ts'
import { otlpSettings } from './otlp-settings.ts'

/** Sends the telemetry of this process to an OpenTelemetry collector. */
export interface Otlp {
  /** Records spans. Undefined if traces are not sent. */
  readonly tracing: Tracing | undefined
  /** Sends a line of the log. */
  log(module: string, level: LogLevel, message: string, fields?: LogFields): void
  /** Sets the metrics that are sent from now on. */
  useMetrics(families: () => readonly Family[]): void
  /** Sends waiting telemetry, for a short time at most. */
  close(): Promise<void>
}

export interface OtlpOptions {
  readonly env: { readonly [name: string]: string | undefined }
  readonly clock: Clock
  readonly random: Random
  /** The name of this process among the processes of the service. */
  readonly instance: string
  /** Called with lines about the collector itself. These lines are not sent to the collector. */
  readonly say: (level: 'warn' | 'info', message: string) => void
}

/**
 * Opens the telemetry that OpenTelemetry's variables ask for; null if the variables name no collector. The packages are loaded only if a collector is
 * named.
 */
export async function openOtlp(options: OtlpOptions): Promise<Otlp | null> {
  const settings = otlpSettings(options.env)
  if (settings === null) return null
  for (const remark of settings.remarks) options.say('warn', remark)
  const { SentTelemetry } = await import('./sent-telemetry.ts')
  return SentTelemetry.open(settings, options)
}
