import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { defineBee } from '../define-bee.ts'
import { checkWeights, joinedModels, weightsOf } from '../model/joined-models.ts'
import { labelRemarks } from '../model/label-agreement.ts'
import { predictionType } from '../model/model-spec.ts'

interface Vote {
  readonly label: string
  readonly scores?: unknown
}

export interface Majority {
  readonly label: string
  /** The share of the votes for each label. The shares add up to 1. */
  readonly scores: { readonly [label: string]: number }
  readonly models: { readonly [bee: string]: { readonly label: string; readonly weight: number } }
  /** The bees without a vote, if there are any. */
  readonly missing?: readonly string[]
}

export default defineBee({
  type: 'majority-vote',
  role: 'value',
  keepsInput: true,
  summary: 'Takes the label that most of several predictions have.',
  delivery: 'Computed again after a crash, from the same predictions, to the same answer.',
  spec: Type.Object(
    {
      weights: Type.Optional(
        Type.Record(Type.String(), Type.Number({ minimum: 0 }), {
          keysAre: 'inputs',
          description: 'Votes by bee. A bee without them has as many as the average of those named; with none named each has one.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  examples: [{}, { weights: { 'inference-tensorflow': 2, 'inference-pytorch': 2, 'inference-svm': 1 } }],
  output: predictionType,
  async check({ spec: { weights = {} }, inputs, bee }) {
    checkWeights(weights)
    return { remarks: labelRemarks(inputs, { bee, reads: 'label' }) }
  },
  create({ spec, inputNames: inputs }) {
    const weightOf = weightsOf(spec.weights ?? {})
    return {
      process(input: unknown, { notTaken }): Majority {
        const { results, missing } = joinedModels(input, { inputs, notTaken, isResult: isVote, needed: '{ label }' })
        return majorityOf(results, weightOf, missing)
      },
    }
  },
})

/**
 * The label with the most votes. A tie goes to the label with the highest sum of its voters' scores. If the sums are equal too, the label whose first
 * voter comes first among the inputs wins. Throws WAGGLE_NO_PREDICTION if there are no votes.
 */
export function majorityOf(votes: ReadonlyMap<string, Vote>, weightOf: (bee: string) => number, missing: readonly string[]): Majority {
  const counts = new Map<string, { votes: number; score: number }>()
  let total = 0
  for (const [bee, { label, scores }] of votes) {
    const weight = weightOf(bee)
    const { votes: before = 0, score = 0 } = counts.get(label) ?? {}
    counts.set(label, { votes: before + weight, score: score + ownScore(scores, label) })
    total += weight
  }
  if (!(total > 0 && total < Number.POSITIVE_INFINITY))
    throw new WaggleError('WAGGLE_NO_PREDICTION', {
      message: 'No prediction with a weight above 0 is there',
      next: 'See why the models failed, or give the models weights above 0.',
    })
  const [label] = [...counts].reduce((best, one) => (isAhead(one[1], best[1]) ? one : best))
  return {
    label,
    scores: Object.fromEntries([...counts].map(([name, count]) => [name, count.votes / total])),
    models: Object.fromEntries([...votes].map(([bee, vote]) => [bee, { label: vote.label, weight: weightOf(bee) / total }])),
    ...(missing.length === 0 ? {} : { missing }),
  }
}

interface Count {
  readonly votes: number
  readonly score: number
}

/**
 * True if one label is ahead of another. The tolerance is needed because sums of the same votes in a different order may differ in their last digits.
 */
function isAhead(one: Count, other: Count): boolean {
  if (Math.abs(one.votes - other.votes) > tolerance * other.votes) return one.votes > other.votes
  return one.score - other.score > tolerance * other.score
}

const tolerance = 1e-9

function ownScore(scores: unknown, label: string): number {
  if (scores === null || typeof scores !== 'object' || !Object.hasOwn(scores, label)) return 0
  const score = (scores as { readonly [label: string]: unknown })[label]
  return typeof score === 'number' && Number.isFinite(score) ? score : 0
}

function isVote(value: unknown): value is Vote {
  return value !== null && typeof value === 'object' && 'label' in value && Object.hasOwn(value, 'label') && typeof value.label === 'string'
}
