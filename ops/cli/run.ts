import { readdirSync } from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { BeeRegistry } from '../../bees/registry.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { ownMember } from '../../topology/own-member.ts'
import { checkTogether } from '../../topology/swarm/check-together.ts'
import { Redaction } from '../../topology/swarm/redaction.ts'
import { Beekeeper } from '../beekeeper/beekeeper.ts'
import { loadConfig } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { LogThreshold } from '../process-log/log-threshold.ts'
import { Console } from './console.ts'
import { exitStatus } from './exit-status.ts'

export interface RunOptions {
  readonly log?: string
  readonly json: boolean
  /** Starts with the rest of a damaged data directory, and lists the lost parts. */
  readonly acceptLoss: boolean
}

/** `waggle run FILE…`: runs swarms until a signal or an error. */
export async function run(files: readonly string[], { log, json, acceptLoss }: RunOptions): Promise<number> {
  const registry = new BeeRegistry()
  const env = log === undefined ? process.env : { ...process.env, WAGGLE_LOG: log }
  const swarms = files.map((file) => ({
    swarm: readSwarm(file, registry),
    config: loadConfig({ directories: [dirname(file), process.cwd()], env }),
  }))
  checkTogether(swarms.map(({ swarm }) => swarm))
  const [first] = swarms
  if (first === undefined) return exitStatus.usage
  const out = new Console({
    json,
    stdout: process.stdout,
    stderr: process.stderr,
    clock: systemClock,
    threshold: LogThreshold.parse(first.config.settings.log_level),
  })
  const stopping = stopSignal(() => out.stopping())
  const redaction = new Redaction(new Map(swarms.flatMap(({ config }) => [...hiddenValues(config)])))
  const beekeeper = await Beekeeper.open({
    settings: first.config.settings,
    swarms,
    acceptLoss,
    say: (module, level, message, fields) => out.log(module, level, redaction.text(message), redaction.fields(fields)),
    onProgress: (what, done, all) => out.progress(what, done, all),
  }).catch((thrown: unknown) => {
    throw redaction.error(thrown)
  })
  out.ready({
    gateway: beekeeper.url,
    clickhouse: beekeeper.clickhouseUrl,
    swarms: beekeeper.swarms.map(({ plan }, at) => ({
      name: plan.swarm,
      gateways: plan.gateways.map(({ gateway }) => gateway),
      example: exampleOf(dirname(files[at] ?? '.')),
      table: plan.bees.map(({ spec }) => spec.table).find((table) => typeof table === 'string') ?? null,
    })),
  })
  await stopping
  await beekeeper.close()
  out.stopped()
  return exitStatus.done
}

/**
 * The first signal stops in order, a second one at once. The second counts only a moment later, since one Ctrl-C may come twice: from the terminal to
 * the whole process group, and from npm.
 */
function stopSignal(onFirst: () => void): Promise<void> {
  return new Promise((settle) => {
    let askedAtMs: number | null = null
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (askedAtMs !== null && systemClock.elapsedMs() - askedAtMs > sameSignalMs) process.exit(130)
        if (askedAtMs !== null) return
        askedAtMs = systemClock.elapsedMs()
        onFirst()
        settle()
      })
    }
  })
}

const sameSignalMs = 500

/** A file to try the swarm with: the first of `photos/` or `examples/` beside the swarm file. */
function exampleOf(directory: string): { readonly path: string; readonly contentType: string } | null {
  for (const folder of ['examples', 'photos']) {
    try {
      const name = readdirSync(join(directory, folder))
        .sort()
        .reverse()
        .find((file) => Object.hasOwn(contentTypes, extname(file)))
      if (name !== undefined) return { path: resolve(directory, folder, name), contentType: ownMember(contentTypes, extname(name)) ?? '' }
    } catch {
      // The folder does not exist.
    }
  }
  return null
}

const contentTypes: { readonly [extension: string]: string } = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.json': 'application/json',
  '.txt': 'text/plain',
}
