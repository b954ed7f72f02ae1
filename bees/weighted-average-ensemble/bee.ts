import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { defineBee, ErrorInput } from '../define-bee.ts'
import { predictionType } from '../model-prediction.ts'

interface Prediction {
  readonly scores: { readonly [label: string]: number }
}

export interface Ensemble {
  /** The label of the highest score; of equal ones the first. */
  readonly label: string
  readonly scores: { readonly [label: string]: number }
  readonly models: { readonly [bee: string]: { readonly scores: { readonly [label: string]: number }; readonly weight: number } }
}

export default defineBee({
  type: 'weighted-average-ensemble',
  role: 'value',
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
  create: ({ spec }) => ({
    process: (input: { readonly [bee: string]: unknown }): Ensemble => averageOf(predictionsOf(input), spec.weights ?? {}),
  }),
})

/** Weights are scaled to a sum of 1 over the predictions that are there; a label that a model does not score counts 0 there. */
export function averageOf(predictions: ReadonlyMap<string, Prediction>, weights: { readonly [bee: string]: number }): Ensemble {
  const named = Object.values(weights)
  const usual = named.length === 0 ? 1 : named.reduce((sum, weight) => sum + weight, 0) / named.length
  const bees = [...predictions].map(([bee, { scores }]) => ({ bee, scores, weight: weights[bee] ?? usual }))
  const total = bees.reduce((sum, { weight }) => sum + weight, 0)
  if (total <= 0)
    throw new WaggleError('WAGGLE_NO_PREDICTION', {
      message: 'No prediction with a weight above 0 is there',
      next: 'See why the models failed, or give them weights.',
    })
  const scores: { [label: string]: number } = {}
  for (const { scores: own, weight } of bees)
    for (const [label, score] of Object.entries(own)) scores[label] = (scores[label] ?? 0) + (score * weight) / total
  const [label] = Object.entries(scores).reduce((best, entry) => (entry[1] > best[1] ? entry : best), ['', Number.NEGATIVE_INFINITY])
  return { label, scores, models: Object.fromEntries(bees.map(({ bee, scores: own, weight }) => [bee, { scores: own, weight: weight / total }])) }
}

function predictionsOf(input: { readonly [bee: string]: unknown }): ReadonlyMap<string, Prediction> {
  const predictions = new Map<string, Prediction>()
  for (const [bee, value] of Object.entries(input)) {
    if (value instanceof ErrorInput) continue
    if (!isPrediction(value)) {
      throw new WaggleError('WAGGLE_NO_PREDICTION', {
        message: `${bee} gave no prediction: { scores: { label: number } } is needed`,
        next: `See what ${bee} publishes.`,
      })
    }
    predictions.set(bee, value)
  }
  return predictions
}

function isPrediction(value: unknown): value is Prediction {
  if (value === null || typeof value !== 'object' || !('scores' in value)) return false
  const { scores } = value
  return scores !== null && typeof scores === 'object' && Object.values(scores).every((score) => typeof score === 'number' && Number.isFinite(score))
}
