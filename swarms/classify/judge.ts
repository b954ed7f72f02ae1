interface Prediction {
  readonly scores: { readonly [digit: string]: number }
}

interface Judgement {
  readonly digit: number
  readonly score: number
  /** The digit that is next likely. */
  readonly second: number
  /** True for a score under 0.9: then a person should read the digit too. */
  readonly needs_a_look: boolean
}

export default function judge({ scores }: Prediction): Judgement {
  const [[digit, score] = ['0', 0], [second] = ['0']] = Object.entries(scores).toSorted(([, a], [, b]) => b - a)
  return { digit: Number(digit), score, second: Number(second), needs_a_look: score < leastScore }
}

const leastScore = 0.9
