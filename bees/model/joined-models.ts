import { WaggleError } from '../../topology/waggle-error.ts'
import { ErrorInput } from '../define-bee.ts'

/**
 * The results of the models that a bee joins, and the names of the bees without a result. Before the swarm starts, `label-agreement.ts` checks that
 * these models have the same labels.
 */
export interface JoinedModels<T> {
  readonly results: ReadonlyMap<string, T>
  /** The joined bees that failed, or whose result arrived too late. A bee on a branch that the request did not take is not in this list. */
  readonly missing: readonly string[]
}

/**
 * Reads the output of a join, which is an object with a result for each bee. Throws WAGGLE_NO_PREDICTION for a result that `isResult` refuses.
 * `needed` describes a valid result for the error. `inputs` are the names of the joined bees.
 */
export function joinedModels<T>(
  input: unknown,
  {
    inputs,
    notTaken,
    isResult,
    needed,
  }: {
    readonly inputs: readonly string[]
    readonly notTaken: readonly string[]
    readonly isResult: (value: unknown) => value is T
    readonly needed: string
  },
): JoinedModels<T> {
  const results = new Map<string, T>()
  for (const [bee, value] of Object.entries(input ?? {})) {
    if (value instanceof ErrorInput) continue
    if (!isResult(value))
      throw new WaggleError('WAGGLE_NO_PREDICTION', {
        message: `${bee} gave no prediction: ${needed} is needed`,
        next: `See what ${bee} publishes.`,
      })
    results.set(bee, value)
  }
  return { results, missing: inputs.filter((bee) => !results.has(bee) && !notTaken.includes(bee)) }
}

/** Throws WAGGLE_NO_PREDICTION for weights that are all 0, because every request would fail. */
export function checkWeights(weights: { readonly [bee: string]: number }): void {
  const named = Object.values(weights)
  if (named.length > 0 && named.every((weight) => weight === 0))
    throw new WaggleError('WAGGLE_NO_PREDICTION', { message: 'Every weight is 0, so no prediction counts', next: 'Give one bee a weight above 0.' })
}

/** A function that returns the weight of a bee. A bee without a weight gets the average of the given weights, or 1 if no weight is given. */
export function weightsOf(weights: { readonly [bee: string]: number }): (bee: string) => number {
  const weightOf = new Map(Object.entries(weights))
  const named = [...weightOf.values()]
  const usual = named.length === 0 ? 1 : named.reduce((sum, weight) => sum + weight, 0) / named.length
  return (bee) => weightOf.get(bee) ?? usual
}
