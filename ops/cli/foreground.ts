import { randomUUID } from 'node:crypto'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { Beekeeper, type BeekeeperOptions } from '../beekeeper/beekeeper.ts'
import type { Config } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import type { Settings } from '../config/settings.ts'
import { BoundedLines } from '../process-log/bounded-lines.ts'
import type { LogLevel, LogLevels, LogLine } from '../process-log/log-line.ts'
import { LogThreshold } from '../process-log/log-threshold.ts'
import { PrintSources } from '../process-log/print-sources.ts'
import { type Otlp, openOtlp } from '../telemetry/otlp/otlp.ts'
import { CapturedOutput } from './captured-output.ts'
import { Console } from './console.ts'
import { exitStatus } from './exit-status.ts'
import { holdHangups, reloadAtHangup } from './hangup.ts'
import { StopSignal } from './stop-signal.ts'

export interface ForegroundOptions extends Pick<BeekeeperOptions, 'settings' | 'swarms' | 'server' | 'acceptLoss'> {
  /** All configurations of the process. Their secrets are never printed. */
  readonly configs: readonly Config[]
  readonly json: boolean
  /** Loads the settings again, for SIGHUP. */
  readonly load: () => Settings
}

/** The console of a process in the foreground, and the texts that the console may not show. */
export interface Foreground {
  readonly out: Console
  readonly redaction: Redaction
}

/**
 * Opens a process in the foreground, and closes it after a signal. `ready` is called when the process is open. It may return a function, which is
 * called before the process closes.
 */
export async function inForeground(
  { configs, json, load, ...options }: ForegroundOptions,
  ready: (beekeeper: Beekeeper, foreground: Foreground) => Promise<void | (() => Promise<void>)>,
): Promise<number> {
  const { settings } = options
  const redaction = new Redaction(new Map(configs.flatMap((config) => [...hiddenValues(config)])))
  const printing = new PrintSources()
  const { out, release } = consoleOf(json, settings, { printing, printed: (line) => say('', 'info', line) })
  const stop = new StopSignal(() => out.stopping())
  let otlp: Otlp | null = null
  const lines = new BoundedLines({
    clock: systemClock,
    say: (module, level, message, { is_shown: isShown, ...fields } = {}) => {
      if (isShown !== true) out.log(module, level, message, fields)
      otlp?.log(module, level, message, fields)
    },
  })
  const shows = (module: string, level: LogLevel, swarm?: string) => out.threshold.shows(level, module, swarm)
  const say: LogLine = (module, level, message, fields) => {
    if (shows(module, level, fields?.swarm)) lines.say(module, level, redaction.text(message), redaction.fields(fields))
  }
  const endHold = holdHangups()
  let endReload = () => {}
  try {
    otlp = await openOtlp({
      env: process.env,
      clock: systemClock,
      random: new SystemRandom(),
      instance: settings.instance ?? randomUUID(),
      say: (level, message) => out.log('telemetry', level, redaction.text(message)),
    })
    const onProgress = (what: string, done: number, all: number) => out.progress(what, done, all)
    const beekeeper = await Beekeeper.open({
      ...options,
      signal: stop.signal,
      say,
      shows,
      logLevels: levelsOf(out),
      otlp,
      redaction,
      printing,
      onProgress,
    }).catch((thrown: unknown) => {
      // The signal has ended a start that was waiting for a model, which is not a failure.
      if (stop.signal.aborted && thrown instanceof WaggleError && thrown.code === 'WAGGLE_STOPPING') return null
      throw redaction.error(thrown)
    })
    if (beekeeper !== null) {
      const take = (reloaded: Settings) => {
        beekeeper.reload(reloaded)
        out.threshold = LogThreshold.parse(reloaded.log_level)
      }
      endReload = reloadAtHangup({ settings, load, take, say })
      endHold({ again: true })
      const beforeClose = await ready(beekeeper, { out, redaction })
      await stop.asked
      await beforeClose?.()
      await beekeeper.close()
    }
    out.stopped()
    return exitStatus.done
  } finally {
    endHold({ again: false })
    endReload()
    lines.close()
    await otlp?.close()
    stop.release()
    release()
    // The last lines of a module may have opened windows again, whose timers would keep the process alive.
    lines.close()
  }
}

/** The levels of the log, as the API changes them. A change lasts until SIGHUP or the end of the process. */
function levelsOf(out: Console): LogLevels {
  return {
    get text() {
      return out.threshold.text
    },
    set(text) {
      out.threshold = LogThreshold.parse(text)
    },
  }
}

/**
 * The console of a process. A line that a module prints becomes a line of its bee's log. If people read the stream, the stream also shows the text as
 * it is.
 */
function consoleOf(
  json: boolean,
  settings: Settings,
  { printing, printed }: { readonly printing: PrintSources; readonly printed: (line: string) => void },
): { readonly out: Console; release(): void } {
  const logForm = settings.log_format === 'auto' ? (process.stderr.isTTY === true ? 'text' : 'json') : settings.log_format
  const captured = (stream: NodeJS.WriteStream, isShown: boolean) =>
    new CapturedOutput(stream, {
      isShown,
      printer: () => printing.current,
      onLine(line, printer) {
        if (printer !== null) printer.print(line, isShown)
        else if (!isShown) printed(line)
      },
    })
  const stdout = captured(process.stdout, !json)
  const stderr = captured(process.stderr, !json && logForm === 'text')
  const out = new Console({
    json,
    logForm,
    stdout: stdout.own,
    stderr: stderr.own,
    clock: systemClock,
    threshold: LogThreshold.parse(settings.log_level),
  })
  return {
    out,
    release() {
      stdout.release()
      stderr.release()
    },
  }
}
