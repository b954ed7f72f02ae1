import { beeTopic } from '../../topic-names.ts'
import type { SwarmPlan } from './plan.ts'
import { branchLine, shownBranches } from './shown-branches.ts'
import type { SubtopologyPlan } from './subtopology-plan.ts'

export type PlanFormat = 'text' | 'json' | 'mermaid'

/** Describes a plan as text for people, as JSON for programs, or as a diagram for a page. */
export function describePlan(plan: SwarmPlan, format: PlanFormat): string {
  switch (format) {
    case 'text':
      return textOf(plan)
    case 'json':
      return JSON.stringify(shapeOf(plan), null, 2)
    case 'mermaid':
      return mermaidOf(plan)
  }
}

function shapeOf({ swarm, bees, subtopologies, topics }: SwarmPlan): object {
  const branches = shownBranches(bees)
  return {
    swarm,
    bees: bees.map(({ name, type }) => ({ name, type: type.type })),
    subtopologies: subtopologies.map(({ id, bees: own, sources, sinks, stores, cut }) => ({
      id,
      bees: own,
      sources,
      sinks,
      stores,
      cut: cut.reason,
    })),
    topics: topics.map(({ name, partitions, cleanup, writers, readers }) => ({ name, partitions, cleanup, writers, readers })),
    stores: [...new Set(subtopologies.flatMap(({ stores }) => stores))],
    ...(branches.length === 0 ? {} : { branches }),
  }
}

function textOf({ swarm, bees, subtopologies, topics }: SwarmPlan): string {
  const lines = [`${swarm}: ${bees.length} bees in ${subtopologies.length} sub-topologies, ${topics.length} topics`]
  for (const { id, bees: own, sources, sinks, stores, cut } of subtopologies) {
    lines.push(
      '',
      `Sub-topology ${id}: ${shownBees(own).join(' → ')}`,
      `  cut here:  ${cut.reason}`,
      ...listed('reads', sources),
      ...listed('writes', sinks),
      ...listed('stores', stores),
    )
  }
  const branches = shownBranches(bees)
  if (branches.length > 0) lines.push('', 'Branches', ...branches.map((one) => `  ${branchLine(one)}`))
  lines.push('', 'Topics')
  const width = Math.max(...topics.map(({ name }) => name.length))
  for (const { name, partitions, cleanup, writers, readers } of topics)
    lines.push(`  ${name.padEnd(width)}  ${partitions} partitions, ${cleanup}; ${writers.join(', ')} → ${readers.join(', ') || 'nobody here'}`)
  return lines.join('\n')
}

/** The bees of a sub-topology as text. In a swarm without a respond bee, the ledger's sub-topology has no bee. */
function shownBees(bees: readonly string[]): readonly string[] {
  return bees.length === 0 ? ['ledger'] : bees
}

function listed(label: string, names: readonly string[]): readonly string[] {
  return names.map((name, at) => `  ${(at === 0 ? `${label}:` : '').padEnd(10)} ${name}`)
}

function mermaidOf({ swarm, bees, subtopologies, topics }: SwarmPlan): string {
  const conditions = new Map(
    shownBranches(bees).flatMap(({ bee, branches }) =>
      branches.map(({ reader, when }) => [`${beeTopic(swarm, bee)} ${reader}`, when ?? 'else'] as const),
    ),
  )
  const topicId = new Map(topics.map(({ name }, at) => [name, `t${at}`]))
  const lines = ['flowchart LR']
  for (const { name } of topics) lines.push(`  ${topicId.get(name)}[("${name}")]`)
  for (const subtopology of subtopologies) lines.push(...mermaidBox(subtopology, topicId, conditions))
  return lines.join('\n')
}

function mermaidBox(
  { id, bees, sources, sinks, stores }: SubtopologyPlan,
  topicId: ReadonlyMap<string, string>,
  conditions: ReadonlyMap<string, string>,
): readonly string[] {
  const names = shownBees(bees)
  const lines = [`  subgraph s${id}["sub-topology ${id}"]`, '    direction LR']
  names.forEach((name, at) => {
    lines.push(`    s${id}b${at}["${name}"]`)
    if (at > 0) lines.push(`    s${id}b${at - 1} --> s${id}b${at}`)
  })
  stores.forEach((store, at) => {
    lines.push(`    s${id}k${at}[/"${store}"/]`)
  })
  lines.push('  end')
  for (const source of sources) {
    const condition = conditions.get(`${source} ${names[0]}`)
    const label = condition === undefined ? '' : `|"${condition.replaceAll('"', '#quot;').replaceAll('\n', ' ')}"|`
    lines.push(`  ${topicId.get(source)} -->${label} s${id}b0`)
  }
  for (const sink of sinks) lines.push(`  s${id}b${names.length - 1} --> ${topicId.get(sink)}`)
  return lines
}
