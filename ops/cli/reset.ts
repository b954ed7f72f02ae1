import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BeeRegistry } from '../../bees/registry.ts'
import { openEmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { KafkaAdmin } from '../../connectors/log/kafka/kafka-admin.ts'
import { forgetLog, hadLog } from '../../connectors/system/data-format.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { planSwarm } from '../../topology/swarm/plan.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { kafkaOptions, openLog } from '../beekeeper/open-log.ts'
import { partsOf } from '../beekeeper/swarm-parts.ts'
import { loadConfig } from '../config/config.ts'
import { planSettingsOf, type Settings } from '../config/settings.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { exitStatus } from './exit-status.ts'

export interface ResetOptions {
  readonly force: boolean
  readonly dryRun: boolean
  /** Also deletes the gateways' topics. */
  readonly gateways: boolean
  /** On the embedded log, in place of a file: gives up the records that this group has not read. */
  readonly reader?: string
  readonly log?: string
  readonly json: boolean
}

interface Leftovers {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  readonly directories: readonly string[]
  /** Topics that are kept and read again from their beginning. */
  readonly kept: readonly string[]
  delete(): Promise<void>
  close(): Promise<void>
}

/**
 * `waggle reset FILE`: deletes a swarm's topics, positions and stores, so that it begins anew. With `--reader` only that reader's positions are
 * deleted.
 */
export async function reset(file: string | null, options: ResetOptions): Promise<number> {
  const { force, dryRun, json, reader } = options
  const env = options.log === undefined ? process.env : { ...process.env, WAGGLE_LOG: options.log }
  const { settings } = loadConfig({ directories: [...(file === null ? [] : [dirname(file)]), process.cwd()], env })
  const found = reader === undefined ? await leftoversOf(file, settings, options) : await positionsOf(reader, settings)
  try {
    const isDone = force && !dryRun
    if (isDone) await found.delete()
    const { topics, groups, directories, kept } = found
    if (json) process.stdout.write(`${JSON.stringify({ topics, groups, directories, kept, deleted: isDone })}\n`)
    else process.stdout.write(`${textOf(found, isDone ? 'deleted' : 'would delete')}\n`)
    if (isDone || dryRun) return exitStatus.done
    if (!json) process.stderr.write('Nothing was deleted: say --force to do it, or --dry-run to only look.\n')
    return exitStatus.usage
  } finally {
    await found.close()
  }
}

async function leftoversOf(file: string | null, settings: Settings, options: ResetOptions): Promise<Leftovers> {
  if (file === null) throw new WaggleError('WAGGLE_USAGE', { message: 'Nothing says what to reset', next: 'Give a swarm file, or --reader GROUP.' })
  const plan = planSwarm(readSwarm(file, new BeeRegistry()), planSettingsOf(settings))
  return settings.log === 'embedded' ? await onDisk(settings) : await onCluster(settings, partsOf(plan), plan.applicationId, options)
}

/** Throws WAGGLE_USAGE on a cluster, which has its own tools for it. */
async function positionsOf(reader: string, settings: Settings): Promise<Leftovers> {
  if (settings.log !== 'embedded') {
    throw new WaggleError('WAGGLE_USAGE', { message: '--reader is for the embedded log', next: 'On Kafka use kafka-consumer-groups.sh --delete.' })
  }
  const log = await openEmbeddedLog({ directory: join(settings.data_dir, 'log'), clock: systemClock, wasMade: hadLog(settings.data_dir) })
  return {
    topics: [],
    groups: log.hasPositions(reader) ? [reader] : [],
    directories: [],
    kept: [],
    delete: () => log.forgetPositions(reader),
    close: () => log.close(),
  }
}

async function onCluster(
  settings: Settings,
  parts: ReturnType<typeof partsOf>,
  applicationId: string,
  { gateways }: ResetOptions,
): Promise<Leftovers> {
  // Opening the log fails with a clear error if the cluster cannot be reached.
  await (await openLog(settings)).close()
  const admin = new KafkaAdmin(kafkaOptions(settings))
  const wanted = { topics: [...parts.topics, ...(gateways ? parts.entrances : [])], groups: parts.groups }
  const there = await admin.existing(wanted)
  const { topics: kept } = await admin.existing({ topics: gateways ? [] : parts.entrances, groups: [] })
  const directories = [join(settings.data_dir, 'state', applicationId)].filter((path) => existsSync(path))
  return {
    ...there,
    kept,
    directories,
    async delete() {
      for (const directory of directories) await expectNobodyIn(directory)
      await admin.delete(there)
      for (const directory of directories) rmSync(directory, { recursive: true })
    },
    close: () => admin.close(),
  }
}

/** The leftovers in a data directory, whose embedded log all swarms share. */
async function onDisk(settings: Settings): Promise<Leftovers> {
  const directories = ['log', 'flights'].map((name) => join(settings.data_dir, name)).filter((path) => existsSync(path))
  const log = directories.length === 0 ? null : await openLog(settings)
  const topics = (await log?.topics()) ?? []
  await log?.close()
  return {
    topics,
    groups: [],
    directories,
    kept: [],
    async delete() {
      // The mark of the log goes first: a directory with the mark and without the log counts as one that lost its log.
      forgetLog(settings.data_dir)
      for (const directory of directories) rmSync(directory, { recursive: true })
    },
    close: async () => {},
  }
}

/** Throws WAGGLE_DATA_DIR_IN_USE where a process has the directory open. */
async function expectNobodyIn(directory: string): Promise<void> {
  const { openStateDirectory } = await import('../../connectors/rocksdb/state-directory.ts')
  await (await openStateDirectory({ directory, random: new SystemRandom() })).close()
}

function textOf({ topics, groups, directories, kept }: Leftovers, verb: string): string {
  const lines = [
    ...topics.map((name) => `${verb} topic      ${name}`),
    ...groups.map((name) => `${verb} positions  ${name}`),
    ...directories.map((name) => `${verb} directory  ${name}`),
    ...kept.map((name) => `read again from its beginning: ${name} (--gateways: that too is deleted)`),
  ]
  return lines.length === 0 ? 'There is nothing of it.' : lines.join('\n')
}
