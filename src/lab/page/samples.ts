/** Photos that lie beside the page; the build takes them from the packages they come with. */
export interface Sample {
  readonly name: string;
  readonly title: string;
  readonly file: string;
  readonly credit: string;
}

export const SAMPLES: readonly Sample[] = [
  { name: 'mandrill', title: 'a mandrill', file: 'samples/mandrill.png', credit: 'the mandrill of the image processing literature' },
  { name: 'aeroplane', title: 'an aeroplane', file: 'samples/aeroplane.jpg', credit: 'Fedele Azari, 1914-1929' },
];
