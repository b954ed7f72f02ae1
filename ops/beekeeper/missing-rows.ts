import type { ClickHouseDatabase } from '../../connectors/clickhouse/clickhouse-database.ts'
import type { Repairs } from '../../connectors/clickhouse/repairs.ts'
import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { GlobalStores } from '../../processor/state/global-stores.ts'
import { threadProgram } from '../../processor/thread/thread-program.ts'
import type { Topology } from '../../topology/graph.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import type { LogLine } from '../process-log/log-line.ts'

export interface MissingRowsOptions {
  readonly plan: SwarmPlan
  readonly topology: Topology
  readonly log: EmbeddedLog
  readonly database: ClickHouseDatabase
  readonly repairs: Repairs
  readonly say: LogLine
}

/**
 * Moves sinks back to the first record without a row, if the database directory was deleted, is an older copy, or has lost parts of a table. The
 * sinks then write the missing rows again; a row that is written twice counts once. In all other cases nothing is moved, because a record may
 * correctly have no row, for example a dead letter. Reports missing rows whose records retention has already deleted. Throws WAGGLE_CLICKHOUSE if a
 * part is damaged.
 */
export async function saveMissingRows({ plan, topology, log, database, repairs, say }: MissingRowsOptions): Promise<void> {
  const { swarm } = plan
  const { groups } = threadProgram(plan.applicationId, topology, { maxCachedEntries: 0, globals: new GlobalStores() })
  const sinks = plan.bees.flatMap(({ name, type, spec: { table } }) => (type.role === 'sink' && typeof table === 'string' ? [{ name, table }] : []))
  for (const table of new Set(sinks.map((sink) => sink.table))) {
    await database.check(table)
    const folder = (await database.folderOf(table)) ?? ''
    const lostParts = repairs.lostFor(swarm, folder)
    if (lostParts.length > 0) say('clickhouse', 'warn', `the table ${table} has lost parts: ${namesIn(lostParts)}`)
    const saved = await database.savedUpTo(table, swarm)
    const readAgain = new Map<string, { readonly next: number; readonly position: number }>()
    for (const { name } of sinks.filter((sink) => sink.table === table)) {
      for (const { group, subtopologies } of groups) {
        const own = subtopologies.filter(({ nodes }) => nodes.some((node) => node.name === name))
        for (const topic of new Set(own.flatMap(({ sources }) => sources))) {
          let [again, gone] = [0, 0]
          for (const [partition, { start, end }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
            const position = log.position(group, topic, partition)?.offset ?? start
            const next = saved.get(`${topic} ${partition}`) ?? 0
            const place = `${group} ${topic} ${partition}`
            const settled = Math.max(next, repairs.readUpTo(folder, place, next))
            const missing =
              lostParts.length === 0
                ? { from: Math.max(settled, start), before: Math.max(0, Math.min(start, position) - settled) }
                : await database.missingIn(table, { swarm, topic, partition, start })
            gone += missing.before
            if (missing.before > 0 || missing.from < position) readAgain.set(place, { next, position })
            if (missing.from >= position || missing.from >= end) continue
            again += position - missing.from
            await log.rewind(group, { topic, partition, offset: missing.from })
          }
          if (again > 0)
            say(name, 'info', `the database has not all rows of the last ${again} records of ${topic} that were read: they are read again`)
          if (gone > 0)
            say(
              name,
              'warn',
              `the database has no rows of up to ${gone} records of ${topic}, which are past their retention: these rows stay missing`,
            )
        }
      }
    }
    repairs.done(swarm, folder, readAgain)
  }
}

function namesIn(lostParts: readonly string[]): string {
  const more = lostParts.length - maxNames
  return lostParts.slice(0, maxNames).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

const maxNames = 10
