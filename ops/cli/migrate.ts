import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import { planSwarm } from '../../topology/swarm/plan/plan.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { openLog } from '../beekeeper/open-log.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { planSettingsOf, type Settings } from '../config/settings.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { migrate } from '../migrate/migration.ts'
import { configuredText } from '../served/configured-text.ts'
import { Definitions } from '../served/definitions.ts'
import { exitStatus } from './exit-status.ts'

/**
 * `waggle migrate [FILE…]`: copies the embedded log of the data directory to the Kafka cluster of KAFKA_BROKERS. The files are the files of `waggle
 * run`; the definitions of `waggle serve` are in the log.
 */
export async function migrateLog(files: readonly string[], { json }: { readonly json: boolean }): Promise<number> {
  const directories = [...files.map((file) => dirname(file)), process.cwd()]
  const { settings } = loadConfig({ directories, env: { ...process.env, WAGGLE_LOG: 'kafka' } })
  if (!existsSync(join(settings.data_dir, 'log'))) {
    throw new WaggleError('WAGGLE_FILE_NOT_FOUND', {
      message: `${settings.data_dir} has no embedded log`,
      next: 'Set WAGGLE_DATA_DIR, or go to the directory in which Waggle was started.',
    })
  }
  const from = await openLog({ ...settings, log: 'embedded' })
  try {
    if (!(from instanceof EmbeddedLog)) throw new Error('An embedded log is expected')
    const to = await openLog(settings)
    try {
      const swarms = [...files.map((file) => readSwarm(file, beeRegistry(dirname(file)))), ...(await servedSwarms(from))]
      const plans = swarms.map((swarm) => planSwarm(swarm, planSettingsOf(settings)))
      const onProgress = (topic: string) => {
        if (process.stderr.isTTY) process.stderr.write(`${topic}\n`)
      }
      const moved = await migrate({ from, to, clock: systemClock, plans, onProgress })
      const { topics, groups, records, rows } = moved
      const text = `${records} records of ${topics.length} topics, ${rows} rows of state, positions of ${groups.length} groups\n${next(settings)}`
      process.stdout.write(`${json ? JSON.stringify(moved) : text}\n`)
      return exitStatus.done
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
}

/** The swarms that `waggle serve` runs on the log. */
async function servedSwarms(log: EmbeddedLog): Promise<readonly CheckedSwarm[]> {
  const definitions = await Definitions.open({ log, clock: systemClock, say: () => {}, newId: () => '0'.repeat(16) })
  try {
    const place = { root: process.cwd(), env: process.env }
    return definitions.names.flatMap((name) => {
      const { pointer, versions } = definitions.get(name) ?? {}
      const version = pointer === undefined ? undefined : versions?.get(pointer.version)
      return version === undefined ? [] : [configuredText(version, place).swarm]
    })
  } finally {
    await definitions.close()
  }
}

function next({ data_dir }: Settings): string {
  return `Start Waggle with WAGGLE_LOG=kafka and another data directory. ${data_dir} is as it was: keep it until the swarms run on the cluster.`
}
