import { Refused } from 'waggle-streams'
import { decodePicture } from 'waggle-streams/pictures'
import { serveBee } from '../serve-bee.ts'

/** The bee `preprocess-images` as a separate process: `image-preprocess` with `resize: 256`, over the bee protocol. */
serveBee(async (input) => {
  if (input.kind !== 'bytes') return { refuse: 'A picture is needed: send its bytes, with a content type such as image/jpeg' }
  try {
    return { picture: await decodePicture(input.bytes, { shorterSide: 256 }) }
  } catch (error) {
    if (error instanceof Refused) return { refuse: error.message }
    throw error
  }
})
