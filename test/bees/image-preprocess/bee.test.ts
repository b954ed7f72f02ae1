import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import sharp from 'sharp'
import type { BeeFindings, BeeRequest, TakenPicture, TensorsInput } from '../../../bees/define-bee.ts'
import definition from '../../../bees/image-preprocess/bee.ts'
import type { PreprocessSpec } from '../../../bees/image-preprocess/preprocess-spec.ts'
import { decodePicture } from '../../../connectors/pictures/picture-decoder.ts'
import type { Tensor } from '../../../topology/swarm/payload/payload.ts'
import { Refused, WaggleError } from '../../../topology/waggle-error.ts'

/** A picture of 60 × 40 pixels with a left half in one colour and a right half in another colour. */
const halves = () =>
  sharp({ create: { width: 60, height: 40, channels: 3, background: '#ff0000' } }).composite([
    { input: { create: { width: 30, height: 40, channels: 3, background: '#0000ff' } }, left: 30, top: 0 },
  ])

const photo = await halves().png().toBuffer()

const vgg: TakenPicture = { datatype: 'FP32', layout: 'NCHW', channels: 3, size: { height: 24, width: 32 }, fit: 'fill', isFitted: true }
const digits: TakenPicture = { datatype: 'FP32', layout: 'NCHW', channels: 1, size: { height: 28, width: 28 }, fit: 'fill', isFitted: false }

function readBy(pictures: readonly TakenPicture[]): () => Promise<ReadonlyMap<string, BeeFindings>> {
  return async () => new Map(pictures.map((picture, at) => [`model-${at}`, { picture }]))
}

/** The tensor that a bee with this spec makes. */
async function made(spec: PreprocessSpec, input: unknown = photo, readers: readonly TakenPicture[] = []): Promise<Tensor> {
  const { create } = definition.definition
  const context = { spec, ports: { pictures: { decode: decodePicture } }, readers: readBy(readers) }
  const bee = await create?.(context as never)
  assert.ok(bee !== undefined && 'process' in bee)
  const { tensors } = (await bee.process(input as never, {} as BeeRequest)) as TensorsInput
  assert.deepEqual(Object.keys(tensors), ['image'])
  return tensors.image as Tensor
}

async function found(spec: PreprocessSpec, readers: readonly TakenPicture[] = []): Promise<BeeFindings> {
  const findings = await definition.definition.check?.({ spec, readers: readBy(readers) } as never)
  assert.ok(findings !== undefined)
  return findings
}

/** The first pixel of an NHWC tensor. */
const firstOf = ({ data }: Tensor) => Array.from(data.subarray(0, 3), Number)
const near = (value: number | bigint | undefined, wanted: number) => assert.ok(Math.abs(Number(value) - wanted) < 0.02, `${value}, not ${wanted}`)

describe('An image-preprocess bee', () => {
  it('makes a UINT8 picture in the size that a picture model takes', async () => {
    const { datatype, shape, data } = await made({}, photo, [vgg])
    assert.deepEqual([datatype, shape, data.length], ['UINT8', [24, 32, 3], 24 * 32 * 3])
  })

  it('makes exactly the type, layout, size and colours of a model that has no picture input', async () => {
    const { datatype, shape, data } = await made({}, photo, [digits])
    assert.deepEqual([datatype, shape], ['FP32', [1, 28, 28]])
    near(data[0], 76)
  })

  it('keeps the size of the picture if neither the spec nor a reader names a size', async () => {
    const { datatype, shape } = await made({})
    assert.deepEqual([datatype, shape], ['UINT8', [40, 60, 3]])
  })

  it('resizes the shorter side and keeps the aspect ratio, or stretches the picture to a size', async () => {
    assert.deepEqual((await made({ resize: 20 })).shape, [20, 30, 3])
    assert.deepEqual((await made({ resize: [10, 50] })).shape, [10, 50, 3])
  })

  it('fills a size with the centre of the picture, or pads the picture with bars in the colour of pad', async () => {
    const cover = await made({ resize: [20, 20], fit: 'cover' })
    assert.deepEqual(
      [cover.shape, firstOf(cover)],
      [
        [20, 20, 3],
        [255, 0, 0],
      ],
    )
    const contain = await made({ resize: [60, 60], fit: 'contain', pad: '#00ff00' })
    assert.deepEqual(
      [contain.shape, firstOf(contain)],
      [
        [60, 60, 3],
        [0, 255, 0],
      ],
    )
    assert.deepEqual(firstOf(await made({ resize: [60, 60], fit: 'contain' })), [0, 0, 0])
  })

  it('cuts the crop out of the middle, after the resize', async () => {
    const { shape, data } = await made({ crop: [10, 8] })
    assert.deepEqual(shape, [10, 8, 3])
    assert.deepEqual(
      [Array.from(data.subarray(0, 3), Number), Array.from(data.subarray(21, 24), Number)],
      [
        [255, 0, 0],
        [0, 0, 255],
      ],
    )
    assert.deepEqual((await made({ resize: 20, crop: 16 })).shape, [16, 16, 3])
  })

  it('turns a picture upright for each of the eight orientations, unless orient is false', async () => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const bytes = await halves().withMetadata({ orientation }).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer()
      const { shape, data } = await made({}, bytes)
      const [height, width] = orientation < 5 ? [40, 60] : [60, 40]
      assert.deepEqual(shape, [height, width, 3])
      const { data: wanted } = await sharp(bytes).autoOrient().raw().toBuffer({ resolveWithObject: true })
      assert.ok(Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(wanted), `orientation ${orientation}`)
      assert.deepEqual((await made({ orient: false }, bytes)).shape, [40, 60, 3])
    }
  })

  it('resizes and crops a picture after the picture was turned upright', async () => {
    const bytes = await halves().withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer()
    assert.deepEqual((await made({ resize: 20 }, bytes)).shape, [30, 20, 3])
    const { shape, data } = await made({ resize: [60, 40], crop: [60, 10], layout: 'NHWC' }, bytes)
    assert.deepEqual(shape, [60, 10, 3])
    const first = Array.from(data.subarray(0, 3), Number)
    const last = Array.from(data.subarray(-3), Number)
    assert.ok((first[0] ?? 0) > 240 && (first[2] ?? 0) < 20 && (last[2] ?? 0) > 240, `${first} ${last}`)
  })

  it('normalises equally with a mean and a deviation of 0–1 and of 0–255', async () => {
    const mean = [0.485, 0.456, 0.406]
    const std = [0.229, 0.224, 0.225]
    const times = (values: readonly number[]) => values.map((value) => value * 255)
    for (const normalize of [
      { mean, std },
      { mean: times(mean), std: times(std) },
    ]) {
      const { datatype, shape, data } = await made({ normalize, layout: 'NHWC' })
      assert.deepEqual([datatype, shape], ['FP32', [40, 60, 3]])
      near(data[0], (1 - 0.485) / 0.229)
      near(data[1], -0.456 / 0.224)
      near(data[2], -0.406 / 0.225)
    }
  })

  it('normalises each channel into its own plane in NCHW, and accepts one number for all channels', async () => {
    const { shape, data } = await made({ normalize: { mean: 0.5, std: 0.5 }, layout: 'NCHW', crop: 2 })
    assert.deepEqual(shape, [3, 2, 2])
    for (const [at, wanted] of [1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1].entries()) near(data[at], wanted)
    near((await made({ scale: 1 / 255 })).data[0], 1)
    near((await made({ scale: 2, normalize: { mean: 10, std: 5 } })).data[0], 100)
  })

  it('normalises into the layout of the model that reads the output', async () => {
    const { datatype, shape } = await made({ normalize: { mean: 0, std: 1 } }, photo, [vgg])
    assert.deepEqual([datatype, shape], ['FP32', [3, 24, 32]])
  })

  it('fills transparency with white or with background', async () => {
    const clear = await sharp({ create: { width: 4, height: 4, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } })
      .png()
      .toBuffer()
    assert.deepEqual(firstOf(await made({}, clear)), [255, 255, 255])
    assert.deepEqual(firstOf(await made({ background: '#102030' }, clear)), [16, 32, 48])
  })

  it('reads JPEG, PNG, WebP, GIF and AVIF, and makes RGB of grey, 16-bit and CMYK pictures', async () => {
    const red = () => sharp({ create: { width: 16, height: 16, channels: 3, background: '#c02020' } })
    const files = [
      red().jpeg(),
      red().png(),
      red().webp(),
      red().gif(),
      red().avif(),
      red().toColourspace('rgb16').png(),
      red().toColourspace('cmyk').jpeg(),
    ]
    for (const file of files) {
      const tensor = await made({}, await file.toBuffer())
      assert.deepEqual(tensor.shape, [16, 16, 3])
      const [r = 0, g = 0, b = 0] = firstOf(tensor)
      assert.ok(Math.abs(r - 0xc0) < 40 && Math.abs(g - 0x20) < 40 && Math.abs(b - 0x20) < 40, `${r} ${g} ${b}`)
    }
    const grey = await made({}, await red().greyscale().png().toBuffer())
    const [r, g, b] = firstOf(grey)
    assert.ok(r === g && g === b && grey.shape[2] === 3)
    assert.deepEqual((await made({ channels: 1 }, photo)).shape, [40, 60, 1])
  })

  it('returns the first frame of an animated GIF or WebP file', async () => {
    const frames = Buffer.concat([Buffer.alloc(4 * 4 * 3, 0x20), Buffer.alloc(4 * 4 * 3, 0xe0)])
    const animated = () => sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
    for (const file of [await animated().gif().toBuffer(), await animated().webp({ lossless: true }).toBuffer()]) {
      assert.equal((await sharp(file).metadata()).pages, 2)
      const tensor = await made({}, file)
      assert.deepEqual(
        [tensor.shape, firstOf(tensor)],
        [
          [4, 4, 3],
          [0x20, 0x20, 0x20],
        ],
      )
    }
  })

  it('refuses a picture that is cut in half, in each format', async () => {
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, at) => (at * 7919) % 251))
    const picture = () => sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    for (const file of [
      picture().jpeg(),
      picture().jpeg({ progressive: true }),
      picture().png(),
      picture().webp(),
      picture().gif(),
      picture().avif(),
    ]) {
      const whole = await file.toBuffer()
      await made({}, whole)
      await assert.rejects(made({}, whole.subarray(0, whole.length >> 1)), Refused)
    }
  })

  it('refuses a value that is not a picture, and a picture with more pixels or bytes than the spec allows', async () => {
    const refused = (spec: PreprocessSpec, input: unknown, said: RegExp) =>
      assert.rejects(made(spec, input), (error: unknown) => error instanceof Refused && said.test(error.message))
    for (const input of [null, 7, 'text', {}, [], { tensors: {} }]) await refused({}, input, /A picture is needed/)
    for (const input of [new Uint8Array(0), Buffer.from('text'), Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), Buffer.from('%PDF-1.7')])
      await refused({}, input, /picture/)
    await refused({ max_pixels: 2399 }, photo, /60 × 40 pixels; at most 2,399/)
    await refused({ max_bytes: 100 }, photo, /bytes; at most 100/)
    await refused({}, photo.subarray(0, photo.length - 20), /picture/)
    await refused({ crop: [41, 10] }, photo, /60 × 40 pixels, and the crop takes 10 × 41/)
    const large = await sharp({ create: { width: 3000, height: 2000, channels: 3, background: '#fff' } })
      .png()
      .toBuffer()
    await refused({}, large, /without resize at most 4,194,304/)
  })

  it('leaves a picture unturned if its EXIF data is 60,000 bytes of noise or names an unknown orientation', async () => {
    const jpeg = await halves().jpeg().toBuffer()
    const segment = Buffer.concat([Buffer.of(0xff, 0xe1, 0xea, 0x60), Buffer.from('Exif\0\0'), Buffer.alloc(0xea60 - 8, 0xff)])
    assert.deepEqual((await made({}, Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]))).shape, [40, 60, 3])
    const turned = await halves().withMetadata({ orientation: 6 }).jpeg().toBuffer()
    // Tag 0x0112 is the orientation: one u16.
    const at = Math.max(turned.indexOf(Buffer.of(0x12, 0x01, 3, 0, 1, 0, 0, 0)), turned.indexOf(Buffer.of(0x01, 0x12, 0, 3, 0, 0, 0, 1)))
    assert.ok(at > 0)
    for (const orientation of [0, 9, 255]) {
      const file = Buffer.from(turned)
      file.fill(0, at + 8, at + 12)
      file[turned[at] === 0x12 ? at + 8 : at + 9] = orientation
      assert.deepEqual((await made({}, file)).shape, [40, 60, 3])
    }
  })
})

describe('An image-preprocess bee whose reader does not know its input yet', () => {
  /** The outcomes of two photos. The reader is unreachable for the first photo. */
  async function twoOf(spec: PreprocessSpec): Promise<readonly unknown[]> {
    let asked = 0
    const readers = async () => {
      if (asked++ === 0) throw new WaggleError('WAGGLE_MODEL_SERVER_AWAY', { message: 'The server is away', next: 'Start it.' })
      return readBy([digits])()
    }
    const bee = await definition.definition.create?.({ spec, ports: { pictures: { decode: decodePicture } }, readers } as never)
    assert.ok(bee !== undefined && 'process' in bee)
    const process = async () => ((await bee.process(photo as never, {} as BeeRequest)) as TensorsInput).tensors.image?.shape
    return [await process().catch((error: WaggleError) => error.code), await process()]
  }

  it('fails the request with the reader’s error, and asks the reader again at the next request', async () => {
    assert.deepEqual(await twoOf({}), ['WAGGLE_MODEL_SERVER_AWAY', [1, 28, 28]])
  })

  it('uses the size of its spec if the reader fails, and asks the reader again at the next request', async () => {
    assert.deepEqual(await twoOf({ resize: [28, 28] }), [
      [28, 28, 3],
      [1, 28, 28],
    ])
  })
})

describe('The check of an image-preprocess bee', () => {
  it('finds the type and shape of the output', async () => {
    const { output, summary } = await found({}, [vgg])
    assert.deepEqual(output, { tensors: { image: { dtype: 'UINT8', shape: [24, 32, 3] } } })
    assert.equal(summary, 'gives image (UINT8 [24, 32, 3])')
    assert.deepEqual((await found({ resize: 256 }, [vgg])).output, { tensors: { image: { dtype: 'UINT8', shape: [-1, -1, 3] } } })
  })

  it('warns if the readers take pictures of different sizes, and uses the largest size', async () => {
    const other = { ...vgg, size: { height: 64, width: 64 } }
    const { remarks = [], output } = await found({}, [vgg, other])
    assert.equal(remarks[0]?.kind, 'warning')
    assert.match(remarks[0]?.message ?? '', /model-0 takes 24 × 32 \(fill\), model-1 takes 64 × 64 \(fill\)/)
    assert.deepEqual(output, { tensors: { image: { dtype: 'UINT8', shape: [-1, -1, 3] } } })
    assert.deepEqual((await made({}, photo, [vgg, other])).shape, [64, 96, 3])
    assert.deepEqual((await found({ resize: [64, 64] }, [vgg, other])).remarks ?? [], [])
  })

  it('refuses settings that contradict each other', async () => {
    for (const [spec, said] of [
      [{ resize: 200, crop: 224 }, /crop takes 224 × 224 pixels, and resize leaves a shorter side of 200/],
      [{ resize: [224, 100], crop: 224 }, /crop takes 224 × 224/],
      [{ resize: 200, fit: 'cover' }, /fit needs a height and a width/],
      [{ fit: 'cover' }, /fit needs a size/],
      [{ resize: [10, 10], pad: '#000000' }, /pad is the colour of the bars/],
      [{ resize: [4096, 4096] }, /more than 4,194,304/],
      [{ resize: 4096, crop: 4096 }, /A picture of 4096 × 4096 pixels has more than 4,194,304/],
      [{ crop: [2048, 2049] }, /A picture of 2048 × 2049 pixels has more than 4,194,304/],
      [{ datatype: 'UINT8', scale: 0.5 }, /fractions/],
      [{ normalize: { mean: [1, 2], std: [1] } }, /normalize.mean has 2 values/],
      [{ channels: 1, normalize: { mean: 0.5, std: [1, 1, 1] } }, /normalize.std has 3 values/],
    ] as const) {
      await assert.rejects(found(spec), (error: unknown) => error instanceof WaggleError && said.test(error.message))
    }
  })
})
