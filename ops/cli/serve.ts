import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { Beekeeper } from '../beekeeper/beekeeper.ts'
import { loadConfig } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { LogThreshold } from '../process-log/log-threshold.ts'
import { exitStatus } from './exit-status.ts'
import { holdHangups, reloadAtHangup } from './hangup.ts'
import { outputOf, type RunOptions } from './run.ts'
import { StopSignal } from './stop-signal.ts'

/**
 * `waggle serve`: runs the swarms that clients create through its API, until a signal. Relative paths in these swarms begin in the working directory.
 */
export async function serve({ log, json, acceptLoss }: RunOptions): Promise<number> {
  const env = log === undefined ? process.env : { ...process.env, WAGGLE_LOG: log }
  const root = process.cwd()
  const config = loadConfig({ directories: [root], env })
  const redaction = new Redaction(hiddenValues(config))
  const { out, release } = outputOf(json, config.settings, redaction)
  const stop = new StopSignal(() => out.stopping())
  const say: LogLine = (module, level, message, fields) => out.log(module, level, redaction.text(message), redaction.fields(fields))
  const endHold = holdHangups()
  let endReload = () => {}
  try {
    const beekeeper = await Beekeeper.open({
      settings: config.settings,
      swarms: [],
      server: { root, env },
      acceptLoss,
      signal: stop.signal,
      say,
      redaction,
      onProgress: (what, done, all) => out.progress(what, done, all),
    }).catch((thrown: unknown) => {
      if (stop.signal.aborted && thrown instanceof WaggleError && thrown.code === 'WAGGLE_STOPPING') return null
      throw redaction.error(thrown)
    })
    if (beekeeper === null) {
      out.stopped()
      return exitStatus.done
    }
    endReload = reloadAtHangup({
      settings: config.settings,
      load: () => loadConfig({ directories: [root], env }).settings,
      take: (settings) => {
        beekeeper.reload(settings)
        out.threshold = LogThreshold.parse(settings.log_level)
      },
      say,
    })
    endHold({ again: true })
    out.serving({
      gateway: beekeeper.url,
      clickhouse: beekeeper.clickhouseUrl,
      swarms: beekeeper.swarms.map(({ plan }) => ({ name: plan.swarm, gateways: plan.gateways.map(({ gateway }) => gateway) })),
    })
    await stop.asked
    await beekeeper.close()
    out.stopped()
    return exitStatus.done
  } finally {
    endHold({ again: false })
    endReload()
    stop.release()
    release()
  }
}
