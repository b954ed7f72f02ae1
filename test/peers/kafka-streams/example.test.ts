import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fixedSeeds } from './differential-seeds.ts'
import { examples } from './example.ts'
import type { Example, Step } from './steps.ts'

const programs = fixedSeeds.flatMap((seed) => fc.sample(examples, { numRuns: 100, seed }))

/** The kinds of a step: its operator, and the options that distinguish its variants. */
function kindsOf(step: Step): readonly string[] {
  const windows = 'windows' in step && step.windows !== null ? [`${step.op} ${step.windows.kind}`] : []
  const closing = 'onClose' in step && step.onClose ? [`${step.op} on close`] : []
  const variants = 'how' in step ? [`${step.op} ${step.how}`] : 'kind' in step ? [`${step.op} ${step.kind}`] : []
  return [step.op, ...windows, ...closing, ...variants]
}

function count(holds: (example: Example) => boolean): number {
  return programs.filter(holds).length
}

describe('The 500 fixed programs of the comparison with Kafka Streams', () => {
  it('have each operator and each variant of an operator in at least a hundredth of them', () => {
    const wanted = `stream streams table globalTable versionedTable filter filterNot mapValues flatMapValues flatMap selectKey map merge repartition toTable
      toStream split branch tableAggregate aggregate cogroup suppress
      process|rekey process|count process|streamTime process|clock processValues|mark processValues|count
      aggregate|time aggregate|sliding aggregate|session aggregate|unlimited aggregate|on|close cogroup|time cogroup|sliding cogroup|session cogroup|unlimited
      streamJoin|inner streamJoin|left streamJoin|outer streamTableJoin|inner streamTableJoin|left globalJoin|inner globalJoin|left
      tableJoin|inner tableJoin|left tableJoin|outer foreignKeyJoin|inner foreignKeyJoin|left`
    const counts = new Map<string, number>()
    for (const { steps } of programs) for (const kind of new Set(steps.flatMap(kindsOf))) counts.set(kind, (counts.get(kind) ?? 0) + 1)
    const rare = wanted.split(/\s+/).flatMap((words) => {
      const kind = words.replaceAll('|', ' ')
      return (counts.get(kind) ?? 0) < programs.length / 100 ? [`${kind}: ${counts.get(kind) ?? 0}`] : []
    })
    assert.deepEqual(rare, [])
  })

  it('have partitions, restarts, crashes, caches, headers and moves of the clock, each in at least a twentieth of them', () => {
    const least = programs.length / 20
    const parts: { readonly [part: string]: (example: Example) => boolean } = {
      partitions: ({ partitions }) => partitions > 1,
      restarts: ({ restarts, records }) => restarts && records.some(({ crash }) => crash),
      crashes: ({ restarts, records }) => !restarts && records.some(({ crash }) => crash),
      caches: ({ cached }) => cached,
      headers: ({ records }) => records.some(({ headers }) => headers.length > 0),
      clock: ({ records }) => records.some(({ clockMs }) => clockMs > 0),
      optimized: ({ optimization }) => optimization === 'all',
    }
    for (const [part, holds] of Object.entries(parts)) assert.ok(count(holds) >= least, `${part}: ${count(holds)}`)
  })
})
