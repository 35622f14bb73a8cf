// The two tasks that experiments train small networks on.

const STEAM =
  'select * exclude (phase, pressure_Pa, heat_capacity_J_kgK), log10(pressure_Pa) as log10_pressure, ' +
  'log10(heat_capacity_J_kgK) as log10_heat_capacity from steam where (temperature_K * 1000)::int % 10';

export const TASKS = {
  'fashion-10k': {
    source: { data: 'fashion-10k', validation: null },
    ...({ loss: 'cross-entropy', activation: 'relu', batch: 64, steps: 500 } as const),
  },
  steam: {
    source: {
      data: `${STEAM} <> 0`,
      validation: `${STEAM} = 0`,
      target: [
        'density_kg_m3',
        'enthalpy_J_kg',
        'entropy_J_kgK',
        'log10_heat_capacity',
        'sound_speed_m_s',
        'viscosity_Pa_s',
        'conductivity_W_mK',
      ],
    },
    ...({ loss: 'mse', activation: 'gelu', batch: 256, steps: 1000 } as const),
  },
} as const;

export type TaskName = keyof typeof TASKS;
