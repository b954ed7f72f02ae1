import { dirname } from 'node:path'
import { planSwarm } from '../../topology/swarm/plan/plan.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { holdingsOf, stepBeesOf } from '../beekeeper/swarm-holdings.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { planSettingsOf, type Settings } from '../config/settings.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { exitStatus } from './exit-status.ts'
import { type Leftovers, leftoversOnCluster, leftoversOnDisk, positionsOnDisk, type ResetApplication } from './log-leftovers.ts'

export interface ResetOptions {
  readonly force: boolean
  readonly dryRun: boolean
  /** If true, the topics of the swarm's gateways are deleted too. Only for Kafka. */
  readonly gateways: boolean
  /** The application id of a DSL program, as an alternative to a file. */
  readonly application?: string
  /**
   * The name of a group of the embedded log, as an alternative to a file. The group's positions are deleted, so that the log need not keep records
   * for the group.
   */
  readonly reader?: string
  readonly log?: string
  readonly json: boolean
}

/**
 * `waggle reset FILE`: deletes a swarm's topics, positions and stores, so that the swarm starts from the beginning. `--application` deletes the
 * topics, positions and stores of a DSL program. `--reader` deletes only the positions of one group.
 */
export async function reset(file: string | null, options: ResetOptions): Promise<number> {
  const { force, dryRun, json } = options
  const env = options.log === undefined ? process.env : { ...process.env, WAGGLE_LOG: options.log }
  const { settings } = loadConfig({ directories: [...(file === null ? [] : [dirname(file)]), process.cwd()], env })
  const found = await leftoversOf(file, settings, options)
  try {
    const isDone = force && !dryRun
    if (isDone) await found.delete()
    const { topics, groups, stores, directories, kept, unsure } = found
    if (json) process.stdout.write(`${JSON.stringify({ topics, groups, stores, directories, kept, unsure, deleted: isDone })}\n`)
    else process.stdout.write(`${textOf(found, isDone ? 'deleted' : 'would delete')}\n`)
    if (isDone || dryRun) return exitStatus.done
    if (!json) process.stderr.write('Nothing was deleted: say --force to do it, or --dry-run to only look.\n')
    return exitStatus.usage
  } finally {
    await found.close()
  }
}

function leftoversOf(file: string | null, settings: Settings, { application, reader, gateways }: ResetOptions): Promise<Leftovers> {
  if ([file ?? undefined, application, reader].filter((one) => one !== undefined).length !== 1) {
    throw new WaggleError('WAGGLE_USAGE', {
      message: 'A reset takes one of a swarm file, --application and --reader',
      next: 'Give a swarm file, --application ID, or --reader GROUP.',
    })
  }
  if (reader !== undefined) return positionsOf(reader, settings)
  const wanted = file === null ? { applicationId: application ?? '', holdings: null } : ofSwarm(file, settings)
  return settings.log === 'embedded' ? leftoversOnDisk(settings, wanted) : leftoversOnCluster(settings, wanted, gateways)
}

function ofSwarm(file: string, settings: Settings): ResetApplication {
  const registry = beeRegistry(dirname(file))
  const plan = planSwarm(readSwarm(file, registry), planSettingsOf(settings))
  return { applicationId: plan.applicationId, holdings: holdingsOf(plan, { stepBees: stepBeesOf(plan.bees, registry) }) }
}

/** The positions of a group. Throws WAGGLE_USAGE for a Kafka cluster, because Kafka has its own tool for groups. */
function positionsOf(reader: string, settings: Settings): Promise<Leftovers> {
  if (settings.log === 'embedded') return positionsOnDisk(settings, reader)
  throw new WaggleError('WAGGLE_USAGE', { message: '--reader is for the embedded log', next: 'On Kafka use kafka-consumer-groups.sh --delete.' })
}

function textOf({ topics, groups, stores, directories, kept, unsure }: Leftovers, verb: string): string {
  const lines = [
    ...topics.map((name) => `${verb} topic      ${name}`),
    ...groups.map((name) => `${verb} positions  ${name}`),
    ...stores.map((name) => `${verb} stores     ${name}`),
    ...directories.map((name) => `${verb} directory  ${name}`),
    ...kept.map((name) => `read again from its beginning: ${name} (--gateways: that too is deleted)`),
    ...unsure.map((name) => `left alone: the positions of ${name}, which may be another application (--reader ${name}: these too)`),
  ]
  return lines.length === 0 ? 'There is nothing of it.' : lines.join('\n')
}
