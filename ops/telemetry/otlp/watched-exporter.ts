import type { Signal } from './otlp-settings.ts'

interface ExportResult {
  readonly code: number
  readonly error?: Error
}

interface Exporter<T> {
  export(items: T, done: (result: ExportResult) => void): void
}

/**
 * Logs one line when a collector stops accepting telemetry, and one line when it accepts telemetry again. The exporter retries by itself, and a full
 * queue drops new items, so nothing in Waggle waits for a collector.
 */
export function watched<T, E extends Exporter<T>>(exporter: E, signal: Signal, say: (level: 'warn' | 'info', message: string) => void): E {
  const send = exporter.export.bind(exporter)
  let isAway = false
  exporter.export = (items, done) =>
    send(items, (result) => {
      const failed = result.code !== 0
      if (failed && !isAway)
        say(
          'warn',
          `The OpenTelemetry collector takes no ${signal}: ${result.error?.message.slice(0, 300) ?? 'it gave no reason'}. ${signal} are dropped until it does. Look at OTEL_EXPORTER_OTLP_ENDPOINT and at the collector`,
        )
      if (!failed && isAway) say('info', `The OpenTelemetry collector takes ${signal} again`)
      isAway = failed
      done(result)
    })
  return exporter
}
