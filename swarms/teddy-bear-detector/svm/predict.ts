import { serveBee } from '../serve-bee.ts'
import { centreSquare } from './centre-square.ts'
import { featuresOf } from './features.ts'
import { loadSvm } from './svm.ts'

/** The bee `inference-svm` as a process: pictures in, predictions out. */
const predict = loadSvm(import.meta.dirname)

serveBee((input) => {
  if (input.kind !== 'picture') return { refuse: 'A picture is needed: a UINT8 tensor of shape [height, width, 3]' }
  const { pixels, height, width } = input.picture
  const scores = predict(featuresOf(centreSquare(pixels, height, width)))
  return { json: { label: scores.bear >= scores.teddy ? 'bear' : 'teddy', scores, model: 'scikit-teddy' } }
})
