import type { RequestTrace, TraceStep } from '../../topology/swarm/request/request-trace.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'
import { timeText } from './time-text.ts'
import { type LogOptions, onLog } from './topics.ts'

/** `waggle trace REQUEST_ID`: prints the steps of a request as a tree with times. */
export function traceRequest(id: string, options: LogOptions): Promise<number> {
  return onLog(options, async (management) => {
    const trace = await management.trace(id)
    process.stdout.write(options.json ? `${JSON.stringify(trace)}\n` : `${terminalText(textOf(trace))}\n`)
    return exitStatus.done
  })
}

/** A trace as a tree. Each step is below the last step whose result it used. */
export function textOf(trace: RequestTrace): string {
  const { request_id, swarm, state, accepted_at, steps, complete } = trace
  const begin = accepted_at ?? steps[0]?.started_at ?? 0
  const end = Math.max(begin, ...steps.map(({ finished_at }) => finished_at ?? begin))
  const head = [swarm, state, accepted_at === null ? null : `accepted ${timeText(accepted_at)}`, `${end - begin} ms`]
  const lines = [`${request_id}  ${head.filter((part) => part !== null).join(', ')}`]
  const parents = steps.map((step, at) => parentOf(step, steps.slice(0, at)))
  const rows: { readonly name: string; readonly step: TraceStep }[] = []
  const add = (parent: TraceStep | null, indent: string) => {
    const children = steps.filter((_, at) => parents[at] === parent)
    for (const [at, step] of children.entries()) {
      const isLast = at === children.length - 1
      rows.push({ name: `${indent}${isLast ? '└─ ' : '├─ '}${step.bee}`, step })
      add(step, `${indent}${isLast ? '   ' : '│  '}`)
    }
  }
  add(null, '')
  const width = Math.max(0, ...rows.map(({ name }) => name.length))
  for (const { name, step } of rows) lines.push(`${name.padEnd(width)}  ${factsOf(step, begin)}`)
  if (!complete) lines.push('The search ended at its bound: steps may be missing.')
  return lines.join('\n')
}

/** The last earlier step whose result this step used; null if there is none, or if there is no plan. */
function parentOf({ after }: TraceStep, before: readonly TraceStep[]): TraceStep | null {
  return before.findLast(({ bee }) => after.includes(bee)) ?? null
}

function factsOf(step: TraceStep, begin: number): string {
  const { topic, partition, offset, started_at, waited_ms, worked_ms, batch_size, batch_sent, batch_mates, round, passed, error } = step
  const { attempt, model, model_version, parts } = step
  const facts = [
    started_at === null ? null : `+${started_at - begin} ms`,
    waited_ms === null ? null : `waited ${waited_ms} ms`,
    worked_ms === null ? null : `worked ${worked_ms} ms`,
    batch_size === null || batch_size < 2 ? null : `batch of ${batch_size}${batch_sent === null ? '' : ` (${batch_sent})`}`,
    parts === undefined ? null : `${parts.count} ${parts.count === 1 ? 'part' : 'parts'}, the first at +${parts.first_at - begin} ms`,
    batch_mates.length === 0 ? null : `with ${batch_mates.slice(0, shownMates).join(' ')}${batch_mates.length > shownMates ? ' …' : ''}`,
    model === null || (model === step.bee && model_version === null) ? null : `${model}${model_version === null ? '' : ` version ${model_version}`}`,
    attempt > 1 ? `attempt ${attempt}` : null,
    round,
    error === null ? null : passed ? `passed on the error of ${error.bee || 'another bee'}` : `${error.code}: ${error.detail}`,
    `${topic} ${partition}/${offset}`,
  ]
  return facts.filter((fact) => fact !== null).join(', ')
}

const shownMates = 3
