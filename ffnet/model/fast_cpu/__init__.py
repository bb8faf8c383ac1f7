"""What makes a layer fast on a CPU: convolutions by Fourier transforms, memory that is used again.

Same results but for rounding; no other package needs it.
"""
