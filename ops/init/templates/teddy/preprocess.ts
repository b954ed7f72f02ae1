import { Refused } from 'waggle-streams'
import { decodePicture } from 'waggle-streams/pictures'

/** The bee `preprocess-images`: bytes of a photo in, a tensor `image` [height, width, 3] out. */
export default async function preprocess(input: unknown) {
  if (!(input instanceof Uint8Array)) throw new Refused('A picture is needed: send its bytes, with a content type such as image/jpeg')
  const { height, width, pixels } = await decodePicture(input, { shorterSide: 256 })
  return { tensors: { image: { datatype: 'UINT8', shape: [height, width, 3], data: pixels } } }
}
