import { enumerated } from '../../topology/swarm/check/enumerated.ts'
import type { BeeFindings, BeeRemark } from '../define-bee.ts'

export interface LabelReader {
  /** The name of the bee that joins the predictions. */
  readonly bee: string
  /** The part of a prediction that the bee reads. */
  readonly reads: 'scores' | 'label'
}

/**
 * A remark for each input without the part of a prediction that the bee reads, and for each input whose labels differ from the labels of most inputs.
 * An input without any label of most inputs is a mistake, because an average or a vote would be meaningless.
 */
export function labelRemarks(inputs: ReadonlyMap<string, BeeFindings>, { bee: reader, reads }: LabelReader): readonly BeeRemark[] {
  const remarks: BeeRemark[] = []
  const known: Labelled[] = []
  for (const [bee, findings] of inputs) {
    const labels = reads === 'scores' ? scoredLabels(findings) : givenLabels(findings)
    if (labels === null) remarks.push({ kind: 'mistake', input: bee, ...lacking[reads](bee) })
    else if (labels !== undefined && labels.length > 0) known.push({ bee, labels: new Set(labels) })
  }
  const usual = usualOf(known)
  const verb = reads === 'scores' ? 'scores' : 'votes for'
  const shown = ({ bee, labels }: Labelled) => `${bee} ${verb} ${enumerated(labels, labels.size)}`
  for (const one of known) {
    if (usual === null || one.labels.symmetricDifference(usual.labels).size === 0) continue
    const isDisjoint = one.labels.isDisjointFrom(usual.labels)
    remarks.push({
      kind: isDisjoint ? 'mistake' : 'warning',
      input: one.bee,
      message:
        isDisjoint && one.labels.size !== usual.labels.size && reads === 'scores'
          ? `${one.bee} gives [N,${one.labels.size}], ${reader} has labels for ${usual.labels.size}: ${shown(usual)}, and ${shown(one)}`
          : `${shown(usual)}, and ${shown(one)}: ${isDisjoint ? 'they have no label in common' : partly[reads]}`,
      next: 'Set labels in the spec of each model to the same names.',
    })
  }
  return remarks
}

const lacking = {
  scores: (bee: string) => ({
    message: `${bee} gives no scores, and an ensemble averages scores`,
    next: 'Set output in its spec to the output with the scores, and labels to their names; or leave it out of the ensemble.',
  }),
  label: (bee: string) => ({
    message: `${bee} gives no label, and a vote counts labels`,
    next: 'Let it give an object with a text label, or leave it out of the vote.',
  }),
}

const partly = {
  scores: 'a label that one of them does not score counts as 0 for it',
  label: 'a label that one of them does not know gets no vote of it',
}

/**
 * The labels that an input scores, from its model, or from the members of `scores` in the output schema of a module or a program. Null if the output
 * has no scores.
 */
function scoredLabels({ labels, output }: BeeFindings): BeeFindings['labels'] {
  if (labels !== undefined || output === undefined) return labels
  const properties = propertiesOf(output)
  if (properties === null || properties === undefined) return properties
  return properties.scores === undefined ? null : membersOf(properties.scores)
}

/** The labels that an input may give, from its model, or from the output schema of a module or a program. Null if the output has no label. */
function givenLabels({ labels, output }: BeeFindings): BeeFindings['labels'] {
  if (labels !== undefined || output === undefined) return labels
  const properties = propertiesOf(output)
  if (properties === null || properties === undefined) return properties
  if (properties.label === undefined) return null
  const { enum: words } = properties.label as { readonly enum?: unknown }
  if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return words
  return properties.scores === undefined ? undefined : membersOf(properties.scores)
}

interface PredictionProperties {
  readonly label?: unknown
  readonly scores?: { readonly properties?: object }
}

/** The members of an output; null if the output is not an object, undefined if its members are unknown. */
function propertiesOf(output: NonNullable<BeeFindings['output']>): PredictionProperties | null | undefined {
  if ('tensors' in output) return null
  const { type, properties } = output as { readonly type?: unknown; readonly properties?: PredictionProperties }
  return type !== undefined && type !== 'object' ? null : properties
}

function membersOf({ properties }: { readonly properties?: object }): readonly string[] | undefined {
  return properties === undefined ? undefined : Object.keys(properties)
}

interface Labelled {
  readonly bee: string
  readonly labels: ReadonlySet<string>
}

/** The first input that has the most frequent set of labels. The order of the labels does not matter. */
function usualOf(known: readonly Labelled[]): Labelled | null {
  const groups = Map.groupBy(known, ({ labels }) => JSON.stringify([...labels].sort()))
  const [most] = [...groups.values()].reduce((best, group) => (group.length > best.length ? group : best), [] as readonly Labelled[])
  return most ?? null
}
