import { Refused, type TensorsInput } from 'waggle-streams'
import { centreSquare } from './centre-square.ts'
import { featuresOf } from './features.ts'
import { loadSvm } from './svm.ts'

const predict = loadSvm(import.meta.dirname)

/** This bee takes a tensor `image` [height, width, 3], and returns a prediction. */
export default function svm({ tensors }: Partial<TensorsInput>) {
  const { shape: [height, width] = [], data } = tensors?.image ?? {}
  if (height === undefined || width === undefined || !(data instanceof Uint8Array)) throw new Refused('A tensor image [height, width, 3] is needed')
  const scores = predict(featuresOf(centreSquare(data, height, width)))
  return { label: scores.bear >= scores.teddy ? 'bear' : 'teddy', scores, model: 'svm' }
}
