import { dirname, join } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { checkTogether } from '../../topology/swarm/check/check-together.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { Beekeeper } from '../beekeeper/beekeeper.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import type { Settings } from '../config/settings.ts'
import { readSwarm } from '../config/swarm-file.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { LogThreshold } from '../process-log/log-threshold.ts'
import { CapturedOutput } from './captured-output.ts'
import { Console } from './console.ts'
import { type AskedGateway, exampleRequest } from './example-request.ts'
import { exitStatus } from './exit-status.ts'
import { holdHangups, reloadAtHangup } from './hangup.ts'
import { StopSignal } from './stop-signal.ts'

export interface RunOptions {
  readonly log?: string
  readonly json: boolean
  /** If true, a damaged data directory is opened with the records that remain, and the lost parts are listed. */
  readonly acceptLoss: boolean
}

/** `waggle run FILE…`: runs swarms until a signal or an error. */
export async function run(files: readonly string[], { log, json, acceptLoss }: RunOptions): Promise<number> {
  const env = log === undefined ? process.env : { ...process.env, WAGGLE_LOG: log }
  const swarms = files.map((file) => {
    const registry = beeRegistry(dirname(file))
    return { swarm: readSwarm(file, registry), registry, config: loadConfig({ directories: [dirname(file), process.cwd()], env }) }
  })
  checkTogether(swarms.map(({ swarm }) => swarm))
  const [first] = swarms
  if (first === undefined) return exitStatus.usage
  const redaction = new Redaction(new Map(swarms.flatMap(({ config }) => [...hiddenValues(config)])))
  const { out, release } = outputOf(json, first.config.settings, redaction)
  const stop = new StopSignal(() => out.stopping())
  const say: LogLine = (module, level, message, fields) => out.log(module, level, redaction.text(message), redaction.fields(fields))
  const endHold = holdHangups()
  let endReload = () => {}
  try {
    const beekeeper = await Beekeeper.open({
      settings: first.config.settings,
      swarms,
      acceptLoss,
      signal: stop.signal,
      say,
      redaction,
      onProgress: (what, done, all) => out.progress(what, done, all),
    }).catch((thrown: unknown) => {
      // The signal ended a start that was waiting for a model. This is not a failure.
      if (stop.signal.aborted && thrown instanceof WaggleError && thrown.code === 'WAGGLE_STOPPING') return null
      throw redaction.error(thrown)
    })
    if (beekeeper === null) {
      out.stopped()
      return exitStatus.done
    }
    endReload = reloadAtHangup({
      settings: first.config.settings,
      load: () => loadConfig({ directories: [dirname(files[0] ?? '.'), process.cwd()], env }).settings,
      take: (settings) => {
        beekeeper.reload(settings)
        out.threshold = LogThreshold.parse(settings.log_level)
      },
      say,
    })
    endHold({ again: true })
    out.ready({
      gateway: beekeeper.url,
      clickhouse: beekeeper.clickhouseUrl,
      swarms: beekeeper.swarms.map((running, at) => ({
        name: running.plan.swarm,
        gateways: running.plan.gateways.map(({ gateway }) => gateway),
        // Example requests are for people. With --json a program reads the output, and needs no examples.
        asks: json
          ? []
          : running.plan.gateways.map(({ gateway }) =>
              exampleRequest(askedGateway(running, gateway, beekeeper), {
                swarm: dirname(files[at] ?? '.'),
                written: join(first.config.settings.data_dir, 'examples'),
              }),
            ),
        table: running.plan.bees.map(({ spec }) => spec.table).find((table) => typeof table === 'string') ?? null,
      })),
    })
    await stop.asked
    await beekeeper.close()
    out.stopped()
    return exitStatus.done
  } finally {
    stop.release()
    endHold({ again: false })
    endReload()
    release()
  }
}

/** The console of a run. With `json`, lines that modules print become lines of the log. */
export function outputOf(json: boolean, settings: Settings, redaction: Redaction): { readonly out: Console; release(): void } {
  const printed = (line: string) => out.log('', 'info', redaction.text(line))
  const captured = json ? [process.stdout, process.stderr].map((stream) => new CapturedOutput(stream, printed)) : []
  const [stdout = process.stdout, stderr = process.stderr] = captured.map(({ own }) => own)
  const out = new Console({ json, stdout, stderr, clock: systemClock, threshold: LogThreshold.parse(settings.log_level) })
  return {
    out,
    release() {
      for (const one of captured) one.release()
    },
  }
}

function askedGateway(swarm: RunningSwarm, name: string, { url, needsToken }: Beekeeper): AskedGateway {
  return { name, url, needsToken, answers: swarm.plan.outcomesTopic !== null, input: swarm.exampleInput(name) }
}
