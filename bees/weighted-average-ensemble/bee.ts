import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { defineBee } from '../define-bee.ts'
import { checkWeights, joinedModels, weightsOf } from '../model/joined-models.ts'
import { labelRemarks } from '../model/label-agreement.ts'
import { predictionType } from '../model/model-spec.ts'

interface Prediction {
  /** The version of the model; missing for a model without numbered versions. */
  readonly version?: string
  readonly scores: { readonly [label: string]: number }
}

/** The answer of an ensemble. */
export interface Ensemble {
  /** The label with the highest score. If several labels have this score, the first of them. */
  readonly label: string
  readonly scores: { readonly [label: string]: number }
  readonly models: {
    readonly [bee: string]: { readonly scores: { readonly [label: string]: number }; readonly weight: number; readonly version?: string }
  }
  /** The bees without a prediction, if there are any. Such a bee failed (`on_error: skip`) or was too late (`on_timeout: partial`). */
  readonly missing?: readonly string[]
}

export default defineBee({
  type: 'weighted-average-ensemble',
  role: 'value',
  keepsInput: true,
  summary: 'Averages the scores of several predictions by weight.',
  delivery: 'Computed again after a crash, from the same predictions, to the same answer.',
  spec: Type.Object(
    {
      weights: Type.Optional(
        Type.Record(Type.String(), Type.Number({ minimum: 0 }), {
          keysAre: 'inputs',
          description: 'By bee. A bee without one weighs as much as the average of those named; with none named all are equal.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  examples: [{ weights: { 'inference-tensorflow': 0.4, 'inference-pytorch': 0.4, 'inference-svm': 0.2 } }],
  output: predictionType,
  async check({ spec: { weights = {} }, inputs, bee }) {
    checkWeights(weights)
    return { remarks: labelRemarks(inputs, { bee, reads: 'scores' }) }
  },
  create: ({ spec, inputNames: inputs }) => ({
    process(input: unknown, { notTaken }): Ensemble {
      const needed = '{ scores: { label: number } }'
      const { results, missing } = joinedModels(input, { inputs, notTaken, isResult: isPrediction, needed })
      const average = averageOf(results, spec.weights ?? {})
      return missing.length === 0 ? average : { ...average, missing }
    },
  }),
})

/**
 * The weighted average of the available predictions. The weights are scaled to a sum of 1. If a model has no score for a label, the score is 0.
 * Throws WAGGLE_NO_PREDICTION if no weight is above 0, and WAGGLE_NOT_FINITE if weights or scores are too large for a finite result.
 */
export function averageOf(predictions: ReadonlyMap<string, Prediction>, weights: { readonly [bee: string]: number }): Ensemble {
  const weightOf = weightsOf(weights)
  const bees = [...predictions].map(([bee, { scores, version }]) => ({ bee, scores, version, weight: weightOf(bee) }))
  const total = bees.reduce((sum, { weight }) => sum + weight, 0)
  if (total === 0)
    throw new WaggleError('WAGGLE_NO_PREDICTION', {
      message: 'No prediction with a weight above 0 is there',
      next: 'See why the models failed, or give the models weights above 0.',
    })
  const scores = new Map<string, number>()
  for (const { scores: own, weight } of bees)
    for (const [label, score] of Object.entries(own)) scores.set(label, (scores.get(label) ?? 0) + (score * weight) / total)
  // Weights are never negative, so an infinite total means that the weights are too large.
  if (!(total > 0 && total < Number.POSITIVE_INFINITY && [...scores.values()].every(Number.isFinite))) throw notFinite()
  const [label] = [...scores].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ['', Number.NEGATIVE_INFINITY])
  return {
    label,
    scores: Object.fromEntries(scores),
    models: Object.fromEntries(
      bees.map(({ bee, scores: own, weight, version }) => [
        bee,
        { scores: own, weight: weight / total, ...(typeof version === 'string' ? { version } : {}) },
      ]),
    ),
  }
}

function notFinite(): WaggleError {
  return new WaggleError('WAGGLE_NOT_FINITE', {
    message: 'The weighted average is not a finite number: the weights or the scores are too large, or a weight is below 0',
    next: 'Give weights that add up to 1, and scores between 0 and 1.',
  })
}

function isPrediction(value: unknown): value is Prediction {
  if (value === null || typeof value !== 'object' || !('scores' in value) || !Object.hasOwn(value, 'scores')) return false
  const { scores } = value
  return scores !== null && typeof scores === 'object' && Object.values(scores).every((score) => typeof score === 'number' && Number.isFinite(score))
}
